// The window that is shown, as a file. An error is an error: what failed is told, and no file is written.
import { question } from "./past.js";
import { asked } from "./state.js";

export function save(button) {
  button.disabled = true;
  fetch(question() + "&points=1000&format=csv", { credentials: "same-origin", headers: { Accept: "text/csv, application/problem+json" } })
    .then((answer) => {
      if (answer.ok && answer.headers.get("Content-Type").indexOf("text/csv") === 0) return answer.blob();
      return window.opsWhy(answer).then((why) => { throw new Error(why); });
    })
    .then((blob) => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      const whose = [asked.host, asked.name].filter(Boolean).map((each) => each.replace(/[^\w.-]+/g, "_") + "-").join("");
      link.download = "system-" + whose + new Date().toISOString().slice(0, 19).replace(/:/g, "") + "Z.csv";
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    })
    .catch((error) => {
      const why = error instanceof TypeError ? "The console did not answer." : error.message;
      window.opsToast({ kind: "danger", title: "Not exported", text: why + " No file was written." });
    })
    .finally(() => { button.disabled = false; });
}
