// Runs before anything is painted, so that a page never flashes in the other colours.
const wanted = localStorage.getItem("quire-theme");
if (wanted === "dark" || wanted === "light") document.documentElement.dataset.theme = wanted;
