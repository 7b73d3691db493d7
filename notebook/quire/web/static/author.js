// A page of the author's own asks for itself again while it is open and seen.

import { content, tell } from "./page.js";

export function keepFresh(seconds) {
  tell("connected");
  const again = async () => {
    if (!document.hidden) {
      try {
        const answer = await fetch(location.href.split("#")[0], { cache: "no-store" });
        if (!answer.ok) throw new Error(String(answer.status));
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        tell("connected");
        if (fresh.getElementById("page").innerHTML !== shown) put(fresh);
      } catch {
        tell("offline");
      }
    }
    setTimeout(again, seconds * 1000);
  };
  setTimeout(again, seconds * 1000);
}

let shown = content.innerHTML;

function put(fresh) {
  const page = fresh.getElementById("page");
  shown = page.innerHTML;
  const at = scrollY;
  content.replaceChildren(...page.childNodes);
  scrollTo({ top: at, behavior: "instant" });
  tell("changed", [{ element: content, isNew: false }]);
}
