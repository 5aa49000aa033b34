// Asks the browser for a passkey, as the form on the page says, and sends the form with the answer.
// handleRegister and handleSignin are Flask-Security's (fs-static/js/webauthn.js).
"use strict";

const form = document.getElementById("passkey");
const again = form.querySelector("[data-again]");

function tell(text) {
  const line = document.createElement("li");
  line.textContent = text;
  form.querySelector(".errors").replaceChildren(line);
  form.querySelector("[role=status]").hidden = true;
}

async function ask() {
  if (!window.PublicKeyCredential) {
    tell(form.dataset.missing);
    return;
  }
  const handle = form.dataset.kind === "register" ? handleRegister : handleSignin;
  const result = await handle(form.dataset.options);
  if (result.error_msg) {
    console.info(result.error_msg);
    tell(form.dataset.failed);
    return;
  }
  form.elements.credential.value = result.credential;
  form.submit();
}

again.addEventListener("click", ask);
ask();
