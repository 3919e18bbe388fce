// On every page of the site, before anything is seen: light or dark. A classic script, as every script here,
// because a page opened from disk loads no other.
{
  const whole = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let wanted = "";
  try {
    wanted = localStorage.getItem("mmviz-look") || "";
  } catch {
    // a browser may keep nothing for pages from disk
  }
  const isDark = () => (wanted ? wanted === "dark" : dark.matches);
  const dress = () => {
    whole.classList.toggle("dark", isDark());
    const button = document.getElementById("look");
    if (!button) return;
    button.hidden = false;
    button.textContent = isDark() ? "Light" : "Dark";
  };
  dress();
  dark.addEventListener("change", dress);
  document.addEventListener("DOMContentLoaded", () => {
    dress();
    document.getElementById("look")?.addEventListener("click", () => {
      wanted = isDark() ? "light" : "dark";
      try {
        localStorage.setItem("mmviz-look", wanted);
      } catch {
        // then it holds for this page
      }
      dress();
    });
  });
}
