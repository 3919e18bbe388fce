// What the parts of the stage share. They are put one after the other into one module.

// All text goes through textContent.
function element(tag, className, text = "", attributes = {}) {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

// Several traits may change at once; what follows from them is done once, before the next paint.
function once(act) {
  let isDue = false;
  return () => {
    if (isDue) return;
    isDue = true;
    queueMicrotask(() => {
      isDue = false;
      act();
    });
  };
}

const clamp = (model, k) => Math.max(0, Math.min(k, model.get("last")));
