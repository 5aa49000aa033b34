// The one script of the staff pages: menu, ticks, dialogs. Every page works without it as well.
"use strict";

const dialog = document.getElementById("dialog");

document.addEventListener("click", (event) => {
	const menu = event.target.closest("[data-menu]");
	if (menu) {
		const isOpen = document.body.classList.toggle("menu-open");
		menu.setAttribute("aria-expanded", String(isOpen));
	}
	if (event.target.closest("[data-close]") && dialog.open) {
		event.preventDefault();
		dialog.close();
	}
	const copy = event.target.closest("[data-copy]");
	if (copy) {
		// Over plain HTTP there is no clipboard: the text is marked, to be copied by hand.
		if (navigator.clipboard) navigator.clipboard.writeText(copy.dataset.copy).then(() => { copy.textContent = copy.dataset.done; });
		else getSelection().selectAllChildren(copy.previousElementSibling);
	}
});

// What a page shows this once is gone with a reload, which opens the page that it leads on to.
const once = document.querySelector("[data-address]");
if (once) history.replaceState(null, "", once.dataset.address);

document.addEventListener("change", (event) => {
	if (event.target.matches("[data-all]")) {
		for (const tick of document.querySelectorAll("input[name=rowid]")) tick.checked = event.target.checked;
	}
});

document.addEventListener("keydown", (event) => {
	const isTyping = event.target.matches("input, textarea, select");
	if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey) {
		const search = document.querySelector("[data-search]");
		if (search) {
			event.preventDefault();
			search.focus();
		}
	}
});

// Whoever comes back to a page may send its form again.
window.addEventListener("pageshow", () => {
	for (const form of document.querySelectorAll("form[data-busy]")) delete form.dataset.busy;
});

// A form that asks first: the server answers with the question, which is shown in the dialog.
document.addEventListener("submit", async (event) => {
	const form = event.target;
	const isAsking = form.matches("[data-ask]");
	const isShown = isAsking || dialog.contains(form);
	// A double click is one click.
	if (isShown || form.dataset.busy) event.preventDefault();
	if (form.dataset.busy || form.method !== "post") return;
	form.dataset.busy = "1";
	if (!isShown) return;
	// Not form.action: a button of that name would be found instead.
	const body = new FormData(form, event.submitter);
	try {
		const answer = await fetch(form.getAttribute("action"), {
			method: "POST", body, redirect: "manual", headers: { "X-Kuvert-Fragment": "1" },
		});
		const page = answer.headers.get("X-Kuvert-Location");
		if (page) {
			window.location.assign(page);
			return;
		}
		if (answer.type === "opaqueredirect") {
			window.location.assign(form.dataset.back || window.location.href);
			return;
		}
		if (answer.status !== 200) throw new Error(String(answer.status));
		dialog.innerHTML = await answer.text();
		if (!dialog.open) dialog.showModal();
		// What had the focus has been replaced: go on where something is wrong.
		else (dialog.querySelector("[aria-invalid]") || dialog.querySelector("a, button")).focus();
		delete form.dataset.busy;
	} catch {
		// The plain way: the browser shows the server's answer as a page, or where it leads.
		if (event.submitter && event.submitter.name) {
			const chosen = document.createElement("input");
			chosen.type = "hidden";
			chosen.name = event.submitter.name;
			chosen.value = event.submitter.value;
			form.append(chosen);
		}
		form.submit();
	}
});

// A form with a preview: what saving would do is asked for as people type.
const previewed = document.querySelector("[data-preview]");
if (previewed) {
	const form = previewed.closest("form");
	const target = document.getElementById(previewed.dataset.previewInto);
	let timer = 0;
	let number = 0;

	const show = () => {
		const chosen = form.querySelector("input[name=way]:checked");
		for (const part of form.querySelectorAll("[data-when]")) {
			part.hidden = !chosen || part.dataset.when !== chosen.value;
		}
	};
	const ask = async () => {
		number += 1;
		const mine = number;
		const answer = await fetch(previewed.dataset.preview, {
			method: "POST", body: new FormData(form), headers: { "X-Kuvert-Fragment": "1" },
		});
		// An answer that was overtaken by a later one is of no use.
		if (answer.ok && mine === number) target.innerHTML = await answer.text();
	};
	form.addEventListener("input", () => {
		show();
		clearTimeout(timer);
		timer = setTimeout(ask, 250);
	});
	show();
	ask();
}

// A page that shows work under way looks again, but only while somebody looks at it.
const moving = document.querySelector("[data-reload]");
if (moving) {
	setInterval(() => { if (!document.hidden && !dialog.open) window.location.reload(); }, 1000 * moving.dataset.reload);
}
