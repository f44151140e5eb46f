// Takes the code out of the address, so that it stays in no history and nobody has to copy it.
"use strict";
const field = document.getElementById("code");
function take() {
  const code = location.hash.slice(1);
  if (code) {
    field.value = code;
    history.replaceState(null, "", location.pathname);
  }
  if (field.value) {
    document.getElementById("code-row").hidden = true;
    document.getElementById("name").focus();
  }
}
addEventListener("hashchange", take);
take();
