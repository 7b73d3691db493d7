// The viewer's hand on the run: pause, resume, stop and exit.

import { element, post } from "./page.js";
import { confirm, open } from "./dialog.js";

const ASKED = {
  stop: ["Finish the run early?", "It ends at its next safe point; the report is whole and says so.", "stop the run"],
  exit: ["End the run and its server?", "This page can then no longer be loaded; the Markdown report stays.", "exit"],
};

/** Does one of these, the last two after a question. */
export async function steer(verb) {
  if (ASKED[verb] && !(await confirm(...ASKED[verb]))) return;
  try {
    await post(`run/${verb}`);
  } catch (error) {
    open(`The run could not be told to ${verb}`, [element("p", {}, error.message)]);
  }
}
