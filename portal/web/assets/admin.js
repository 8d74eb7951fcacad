// What makes the admin pages quicker. Everything works without it.
"use strict";

// Errors and messages get the focus, so that they are read at once.
document.querySelector("[data-focus]")?.focus();
