#!/bin/sh
# Start what the tests talk to on a Debian machine: RabbitMQ, PostgreSQL and MariaDB on their
# usual loopback ports; and have Chromium, which they drive, Dovecot and rsyslog, of which they start
# their own, and the fonts of PDFs. Installs what is missing. Can be run twice. For tests only: the
# database users it makes have no password and are reachable from this machine alone.
set -eu

say() { printf 'services: %s\n' "$*"; }

install() {
	dpkg -s "$1" >/dev/null 2>&1 && return
	[ -n "${updated:-}" ] || { say 'apt-get update'; apt-get update -qq; updated=1; }
	say "installing $1"
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1" >/dev/null
}

wait_for() {
	for _ in $(seq 60); do
		bash -c "exec 3<>/dev/tcp/127.0.0.1/$2" 2>/dev/null && { say "$1 is up on port $2"; return; }
		sleep 1
	done
	say "$1 did not come up on port $2" >&2
	exit 1
}

reachable() { bash -c "exec 3<>/dev/tcp/127.0.0.1/$1" 2>/dev/null; }

postgresql() {
	reachable 5432 && return
	install postgresql
	version=$(ls /etc/postgresql | sort -V | tail -n 1)
	hba="/etc/postgresql/$version/main/pg_hba.conf"
	grep -q '^host all root 127.0.0.1/32 trust' "$hba" ||
		sed -i '1i host all root 127.0.0.1/32 trust' "$hba"
	pg_ctlcluster --skip-systemctl-redirect "$version" main start
	wait_for PostgreSQL 5432
	su postgres -c "createuser -s root" 2>/dev/null || say 'the role root is there'
}

mariadb() {
	reachable 3306 && return
	install mariadb-server
	mkdir -p /run/mysqld && chown mysql:mysql /run/mysqld
	start-stop-daemon --start --oknodo --background --exec /usr/sbin/mariadbd -- --user=mysql \
		--innodb-flush-log-at-trx-commit=2
	wait_for MariaDB 3306
	command mariadb -e "ALTER USER root@localhost IDENTIFIED VIA unix_socket OR mysql_native_password USING PASSWORD('')"
}

rabbitmq() {
	reachable 5672 && return
	install rabbitmq-server
	rabbitmq-server -detached
	wait_for RabbitMQ 5672
}

chromium() {
	[ -x /usr/bin/chromium ] && return
	install chromium
}

# Debian would start one for the whole machine.
install_alone() {
	policy=/usr/sbin/policy-rc.d
	own_policy=
	[ -e "$policy" ] || { printf '#!/bin/sh\nexit 101\n' >"$policy"; chmod +x "$policy"; own_policy=1; }
	install "$1"
	[ -z "$own_policy" ] || rm "$policy"
}

dovecot() {
	[ -x /usr/sbin/dovecot ] && return
	install_alone dovecot-imapd
}

rsyslog() {
	[ -x /usr/sbin/rsyslogd ] && return
	install_alone rsyslog
}

# What checks alert rules; it comes with the server.
promtool() {
	[ -x /usr/bin/promtool ] && return
	install_alone prometheus
}

fonts() {
	install fonts-noto-core
	install fonts-droid-fallback
}

deployment() {
	install systemd
	install logrotate
	install openssl
	[ -x /usr/sbin/nginx ] || install_alone nginx-light
	[ -x /usr/bin/supervisord ] || install_alone supervisor
}

[ "$(id -u)" = 0 ] || { say 'run it as root: it installs and starts programs' >&2; exit 1; }
postgresql
mariadb
rabbitmq
chromium
dovecot
rsyslog
promtool
fonts
deployment
say 'RabbitMQ, PostgreSQL and MariaDB are reachable; Chromium, Dovecot, rsyslog, promtool and fonts are there'
