#!/usr/bin/env bash
# Install Kuvert on a Debian server, from the folder that this script is in. Run again, it changes
# only what is not as it must be; with --check it changes nothing and tells what it would do.
set -euo pipefail

usage() {
	cat <<'TEXT'
usage: deploy/install.sh --public-url URL [options]

  --public-url URL   the address people will reach Kuvert at (https://…); needed the first time
  --admin EMAIL      the first admin; the password is printed once (default: admin@localhost)
  --postgresql       install PostgreSQL here and make the database
  --rabbitmq         install RabbitMQ here and make the virtual host
  --database-url URL use this database       (default without --postgresql: an SQLite file)
  --broker-url URL   use this broker         (default without --rabbitmq: a folder)
  --supervisor       supervisord instead of systemd
  --nginx            install nginx and our site
  --no-start         set everything up, start nothing of Kuvert
  --check            change nothing; exit 1 when something would be done

Packages come from apt and pip as they are configured on this machine.
TEXT
}

SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
HOME_DIR=/opt/kuvert
DATA=/var/lib/kuvert
CONFIG=/etc/kuvert
ENV_FILE=$CONFIG/kuvert.env
UNITS=/etc/systemd/system
GROUPS_OF_WORKERS='pumps timers dispatch rest'

public_url='' admin=admin@localhost database_url='' broker_url=''
has_postgresql='' has_rabbitmq='' has_nginx='' has_supervisor='' is_check='' starts=yes
changes=0

while [ $# -gt 0 ]; do
	case $1 in
	--public-url) public_url=${2:?}; shift ;;
	--admin) admin=${2:?}; shift ;;
	--database-url) database_url=${2:?}; shift ;;
	--broker-url) broker_url=${2:?}; shift ;;
	--postgresql) has_postgresql=yes ;;
	--rabbitmq) has_rabbitmq=yes ;;
	--nginx) has_nginx=yes ;;
	--supervisor) has_supervisor=yes ;;
	--no-start) starts='' ;;
	--check) is_check=yes ;;
	-h | --help) usage; exit 0 ;;
	*) printf 'install: unknown option %s\n\n' "$1" >&2; usage >&2; exit 2 ;;
	esac
	shift
done

say() { printf 'install: %s\n' "$*"; }
fail() { say "$*" >&2; exit 1; }

# do_it WHAT COMMAND…: says and does it, or only says it with --check.
do_it() {
	local what=$1
	shift
	changes=$((changes + 1))
	if [ -n "$is_check" ]; then say "would $what"; else say "$what"; "$@"; fi
}

has_systemd() { [ -d /run/systemd/system ]; }

# ---- packages ----

apt_get() { DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@" >/dev/null; }

install_packages() {
	[ -n "${is_updated:-}" ] || apt_get update
	is_updated=yes
	apt_get install -y --no-install-recommends "$@"
}

packages() {
	local wanted=(python3 python3-venv ca-certificates adduser) missing=() name
	[ -z "$has_postgresql" ] || wanted+=(postgresql postgresql-contrib)
	[ -z "$has_rabbitmq" ] || wanted+=(rabbitmq-server)
	[ -z "$has_nginx" ] || wanted+=(nginx-light)
	[ -z "$has_supervisor" ] || wanted+=(supervisor)
	for name in "${wanted[@]}"; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || missing+=("$name")
	done
	[ ${#missing[@]} = 0 ] || do_it "install ${missing[*]}" install_packages "${missing[@]}"
}

# ---- user and folders ----

folder() { # PATH OWNER MODE
	[ "$(stat -c '%U:%G %a' "$1" 2>/dev/null)" = "$2 $3" ] && return
	do_it "make $1 ($2, $3)" install -d -o "${2%:*}" -g "${2#*:}" -m "$3" "$1"
}

user_and_folders() {
	getent passwd kuvert >/dev/null ||
		do_it 'add the user kuvert' adduser --system --group --home "$DATA" --no-create-home --quiet kuvert
	folder "$DATA" kuvert:kuvert 750
	folder "$CONFIG" root:kuvert 750
}

# ---- the program ----

PARTS='admin callbacks core deploy docs invoices migrations requirements static status templates manage.py LICENSE'

copy_program() {
	mkdir -p "$HOME_DIR"
	local part
	for part in $PARTS; do
		rm -rf "${HOME_DIR:?}/$part.new"
		cp -R --no-preserve=ownership "$SOURCE/$part" "$HOME_DIR/$part.new"
		find "$HOME_DIR/$part.new" -name __pycache__ -type d -prune -exec rm -rf {} +
		rm -rf "${HOME_DIR:?}/$part"
		mv "$HOME_DIR/$part.new" "$HOME_DIR/$part"
	done
	chmod -R go=rX "$HOME_DIR"
}

is_program_there() {
	local part
	for part in $PARTS; do
		diff -rq -x __pycache__ "$SOURCE/$part" "$HOME_DIR/$part" >/dev/null 2>&1 || return 1
	done
}

wanted_requirements() { sha256sum <"$SOURCE/requirements/base.txt" | cut -d' ' -f1; }

make_venv() {
	[ -x "$HOME_DIR/.venv/bin/python" ] || python3 -m venv "$HOME_DIR/.venv"
	"$HOME_DIR/.venv/bin/python" -m pip install --quiet --disable-pip-version-check \
		--no-compile --require-hashes -r "$HOME_DIR/requirements/base.txt"
	# Nobody but root may write here, so it is compiled now or at each start.
	"$HOME_DIR/.venv/bin/python" -m compileall -q -j 0 "$HOME_DIR/.venv/lib" || true
	wanted_requirements >"$HOME_DIR/.venv/.requirements"
}

program() {
	if [ "$SOURCE" != "$HOME_DIR" ]; then
		is_program_there || do_it "copy $SOURCE to $HOME_DIR" copy_program
	fi
	[ "$(cat "$HOME_DIR/.venv/.requirements" 2>/dev/null)" = "$(wanted_requirements)" ] ||
		do_it 'install the pinned requirements into .venv' make_venv
}

# ---- servers: database and broker ----

is_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

wait_for() { # WHAT PORT
	local _
	for _ in $(seq 60); do
		is_open "$2" && return
		sleep 1
	done
	fail "$1 does not listen on 127.0.0.1:$2"
}

start_server() { # UNIT PORT COMMAND…: without systemd by hand
	local unit=$1 port=$2
	shift 2
	[ -n "$is_check" ] && ! is_open "$port" && { do_it "start $unit" true; return; }
	is_open "$port" && return
	if has_systemd; then do_it "start $unit" systemctl start "$unit"; else do_it "start $unit by hand" "$@"; fi
	wait_for "$unit" "$port"
}

as_postgres() { runuser -u postgres -- psql -qtAX "$@"; }

setting() { # NAME: its value in the file of settings
	sed -n "s/^$1=//p" "$ENV_FILE" 2>/dev/null | tail -n 1
}

password_in() { # URL
	local rest=${1#*://}
	rest=${rest%%@*}
	printf %s "${rest#*:}"
}

secret() { python3 -c 'import secrets; print(secrets.token_urlsafe(36))'; }

make_role() { # PASSWORD, on standard input, so that no list of processes shows it
	printf "CREATE ROLE kuvert LOGIN PASSWORD '%s';\n" "$1" | as_postgres -v ON_ERROR_STOP=1 postgres >/dev/null
}

postgresql() {
	[ -n "$has_postgresql" ] || return 0
	local version
	version=$(ls /etc/postgresql 2>/dev/null | sort -V | tail -n 1)
	start_server postgresql 5432 pg_ctlcluster --skip-systemctl-redirect "${version:-?}" main start
	is_open 5432 || return 0
	[ "$(as_postgres -c "SELECT 1 FROM pg_roles WHERE rolname = 'kuvert'" postgres)" = 1 ] ||
		do_it 'make the database role kuvert' make_role "$(password_in "$(setting KUVERT_DATABASE_URL)")"
	[ "$(as_postgres -c "SELECT 1 FROM pg_database WHERE datname = 'kuvert'" postgres)" = 1 ] ||
		do_it 'make the database kuvert' runuser -u postgres -- createdb -O kuvert -T template0 -E UTF8 kuvert
}

control() { rabbitmqctl -q "$@"; }

make_broker_user() { # PASSWORD, on standard input
	printf '%s\n' "$1" | control add_user kuvert >/dev/null
}

rabbitmq() {
	[ -n "$has_rabbitmq" ] || return 0
	start_server rabbitmq-server 5672 rabbitmq-server -detached
	is_open 5672 || return 0
	control list_users --no-table-headers | cut -f1 | grep -qx kuvert ||
		do_it 'make the broker user kuvert' make_broker_user "$(password_in "$(setting KUVERT_BROKER_URL)")"
	control list_vhosts --no-table-headers | grep -qx kuvert ||
		do_it 'make the virtual host kuvert' control add_vhost kuvert
	control list_permissions -p kuvert --no-table-headers 2>/dev/null | cut -f1 | grep -qx kuvert ||
		do_it 'let kuvert use its virtual host' control set_permissions -p kuvert kuvert '.*' '.*' '.*'
}

# ---- settings ----

write_settings() {
	[ -z "$has_postgresql" ] || database_url=postgresql+psycopg://kuvert:$(secret)@127.0.0.1:5432/kuvert
	[ -z "$has_rabbitmq" ] || broker_url=amqp://kuvert:$(secret)@127.0.0.1:5672/kuvert
	(
		umask 077
		{
			printf '# Settings of Kuvert; docs/configuration.md lists all. Restart Kuvert after a change.\n'
			printf 'KUVERT_ENVIRONMENT=production\nKUVERT_HOME=%s\n' "$DATA"
			printf 'KUVERT_PUBLIC_URL=%s\nKUVERT_PROXIES=1\n' "$public_url"
			printf 'KUVERT_SECRET_KEY=%s\n' "$(secret)"
			[ -z "$database_url" ] || printf 'KUVERT_DATABASE_URL=%s\n' "$database_url"
			[ -z "$broker_url" ] || printf 'KUVERT_BROKER_URL=%s\n' "$broker_url"
		} >"$ENV_FILE.new"
	)
	own_settings "$ENV_FILE.new"
	mv "$ENV_FILE.new" "$ENV_FILE"
}

own_settings() { chown root:kuvert "$1" && chmod 640 "$1"; }

settings() {
	if [ ! -e "$ENV_FILE" ]; then
		[ -n "$public_url" ] || fail 'the first time --public-url is needed, such as https://invoices.example.org'
		do_it "write $ENV_FILE, with a new secret key" write_settings
	elif [ "$(stat -c '%U:%G %a' "$ENV_FILE")" != 'root:kuvert 640' ]; then
		do_it "let only root write and kuvert read $ENV_FILE" own_settings "$ENV_FILE"
	fi
	# Commands by hand read the same settings.
	[ "$(readlink "$HOME_DIR/.env" 2>/dev/null)" = "$ENV_FILE" ] ||
		do_it "let $HOME_DIR/.env be $ENV_FILE" ln -sfn "$ENV_FILE" "$HOME_DIR/.env"
}

# ---- schema and first admin ----

manage() { (cd "$HOME_DIR" && runuser -u kuvert -- env -i PATH=/usr/bin:/bin LANG=C.UTF-8 .venv/bin/python -B manage.py "$@"); }

schema() {
	[ -x "$HOME_DIR/.venv/bin/python" ] && manage db check >/dev/null 2>&1 && return
	do_it 'bring the database to the schema of this code' manage db upgrade
}

first_admin() {
	local people=''
	[ ! -x "$HOME_DIR/.venv/bin/python" ] || people=$(manage user list --json 2>/dev/null | tr -d '[:space:]') || people=''
	case $people in '' | '[]') do_it "add the first admin $admin" manage user add "$admin" --role admin ;; esac
}

# ---- what runs it ----

same() { # FILE PLACE MODE
	cmp -s "$1" "$2" && return
	do_it "write $2" install -D -o root -g root -m "$3" "$1" "$2"
	is_new=yes
}

enable_unit() { # UNIT
	local links
	links=$(sed -n 's/^WantedBy=//p' "$UNITS/$(printf %s "$1" | sed 's/@[^.]*/@/')" 2>/dev/null || true)
	local target is_enabled=yes
	for target in ${links:-kuvert.target}; do
		[ -L "$UNITS/$target.wants/$1" ] || is_enabled=
	done
	[ -z "$is_enabled" ] || return 0
	if has_systemd; then do_it "enable $1" systemctl enable --quiet "$1"; else do_it "enable $1 by links (systemd does not run here)" link_unit "$1" "$links"; fi
}

link_unit() { # UNIT TARGETS
	local target
	for target in $2; do
		mkdir -p "$UNITS/$target.wants"
		ln -sfn "$UNITS/$(printf %s "$1" | sed 's/@[^.]*/@/')" "$UNITS/$target.wants/$1"
	done
}

systemd() {
	local path group is_new=
	for path in "$SOURCE"/deploy/systemd/*; do same "$path" "$UNITS/$(basename "$path")" 644; done
	if [ -n "$is_new" ] && has_systemd; then do_it 'let systemd read its units again' systemctl daemon-reload; fi
	enable_unit kuvert.target
	enable_unit kuvert-web.socket
	enable_unit kuvert-web.service
	enable_unit kuvert-beat.service
	for group in $GROUPS_OF_WORKERS; do enable_unit "kuvert-worker@$group.service"; done
	[ -n "$starts" ] || return 0
	if ! has_systemd; then
		say 'systemd does not run here: nothing is started; at the next boot kuvert.target will be'
	elif ! systemctl is-active --quiet kuvert.target; then
		do_it 'start kuvert.target' systemctl start kuvert.target
	elif [ "$changes" -gt 0 ]; then
		do_it 'restart kuvert.target' systemctl restart kuvert.target
	fi
}

supervisor() {
	local is_new=
	folder /var/log/kuvert root:adm 750
	same "$SOURCE/deploy/supervisor/kuvert.conf" /etc/supervisor/conf.d/kuvert.conf 644
	[ -n "$starts" ] || return 0
	if ! supervisorctl pid >/dev/null 2>&1; then
		say 'supervisord does not run here: nothing is started; where it does, supervisorctl update'
	elif [ -n "$is_new" ] || ! supervisorctl status 'kuvert:*' >/dev/null 2>&1; then
		do_it 'let supervisord start Kuvert' start_group
	elif [ "$changes" -gt 0 ]; then
		do_it 'let supervisord restart Kuvert' supervisorctl restart 'kuvert:*'
	fi
}

start_group() {
	local _
	supervisorctl update
	# What starts by itself already says so as an error.
	supervisorctl start 'kuvert:*' || true
	for _ in $(seq 60); do
		supervisorctl status 'kuvert:*' >/dev/null && return
		sleep 1
	done
	fail "not all of it runs; see: supervisorctl status 'kuvert:*'"
}

site() {
	[ -n "$has_nginx" ] || return 0
	local host
	host=$(printf %s "$(setting KUVERT_PUBLIC_URL)" | sed -E 's|^[a-z]+://([^/:]+).*|\1|')
	same "$SOURCE/deploy/nginx/kuvert-proxy.conf" /etc/nginx/snippets/kuvert-proxy.conf 644
	[ -e /etc/nginx/sites-available/kuvert ] ||
		do_it 'write /etc/nginx/sites-available/kuvert' write_site "${host:-localhost}"
	say 'nginx: put the certificate in place, then link sites-available/kuvert into sites-enabled'
}

write_site() { sed "s/invoices\.example\.org/$1/g" "$SOURCE/deploy/nginx/kuvert.conf" >/etc/nginx/sites-available/kuvert; }

# ---- all of it ----

[ "$(id -u)" = 0 ] || fail 'run it as root: it adds a user and writes to /etc and /opt'
[ -r /etc/debian_version ] || fail 'this is no Debian; docs/install.md says what to do by hand'
packages
user_and_folders
program
settings
postgresql
rabbitmq
schema
first_admin
same "$SOURCE/deploy/logrotate/kuvert" /etc/logrotate.d/kuvert 644
site
if [ -n "$has_supervisor" ]; then supervisor; else systemd; fi

if [ "$changes" = 0 ]; then
	say 'nothing to do'
elif [ -n "$is_check" ]; then
	say "$changes things to do"
	exit 1
else
	say "done, $changes things; commands: cd $HOME_DIR && sudo -u kuvert .venv/bin/python manage.py …"
fi
