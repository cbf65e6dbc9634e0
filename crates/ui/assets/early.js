document.documentElement.classList.add("js");
try {
  const theme = localStorage.getItem("assay-theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  if (localStorage.getItem("assay-density") === "compact") document.documentElement.dataset.density = "compact";
} catch { /* storage is off: follow the system */ }
