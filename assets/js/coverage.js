// Taking an import out of every figure: asked first, told after.
(function () {
  "use strict";
  var batch = null, opener = null;

  function box() { return document.getElementById("coverage-undo"); }
  function plural(text) { return text === "1" ? "1 event leaves" : text + " events leave"; }

  function ask(button) {
    batch = { id: button.dataset.undo, name: button.dataset.name };
    opener = button.dataset.undo;
    document.getElementById("coverage-undo-words").textContent =
      batch.name + ": " + plural(button.dataset.events) + " every figure and every list. The file itself stays where it is and can be imported again.";
    box().showModal();
    box().querySelector("[data-undo-keep]").focus();
  }
  function undo(button) {
    button.disabled = true;
    window.opsPost("/api/v1/llm/usage/batches/" + encodeURIComponent(batch.id) + "/undo")
      .then(function (answer) {
        if (!answer.ok) return window.opsWhy(answer).then(function (why) { throw new Error(why); });
        return answer.json().then(function (body) {
          window.opsToast({ title: "Taken out", text: batch.name + ": " + body.removed.toLocaleString("en-US") + (body.removed === 1 ? " event is" : " events are") + " out of every figure." });
        });
      })
      .catch(function (error) {
        var why = error instanceof TypeError ? "The console did not answer." : error.message;
        window.opsToast({ kind: "danger", title: "Not taken out", text: why + " Nothing is known to have changed." });
      })
      .finally(function () { button.disabled = false; box().close(); window.opsRetry("coverage-imports"); });
  }

  document.addEventListener("click", function (event) {
    if (!box()) return;
    var button = event.target.closest("[data-undo], [data-undo-keep], [data-undo-confirm]");
    if (event.target === box()) box().close();
    else if (!button) return;
    else if (button.dataset.undo) ask(button);
    else if (button.dataset.undoKeep !== undefined) box().close();
    else undo(button);
  });
  document.addEventListener("close", function (event) {
    if (!box() || event.target !== box()) return;
    var button = Array.from(document.querySelectorAll("[data-undo]")).find(function (each) { return each.dataset.undo === opener; });
    (button || document.getElementById("main")).focus();
  }, true);
})();
