// Keeps a run's page up to date: states and accounts as they change; where more than that changes, the page is read again.
"use strict";
(() => {
  const section = document.querySelector("[data-run]");
  if (!section || !window.EventSource) return;
  const events = new EventSource("/api/v1/runs/" + section.dataset.run + "/events");
  const label = (element, state) => {
    element.textContent = state;
    element.className = "state " + state;
  };
  // Items and rounds come while a run goes on: the page is read again for them, now and then.
  let again = 0;
  events.addEventListener("run", (message) => {
    const run = JSON.parse(message.data);
    const known = section.querySelectorAll("[data-step]").length;
    if (Object.keys(run.steps).length !== known && !again) {
      again = setTimeout(() => { events.close(); location.reload(); }, 2000);
    }
    if (run.state !== section.dataset.state && ["paused", "succeeded", "failed", "cancelled"].includes(run.state)) {
      events.close();
      location.reload();
      return;
    }
    if (section.dataset.state === "paused" && run.state !== "paused") {
      events.close();
      location.reload();
      return;
    }
    section.dataset.state = run.state;
    label(section.querySelector("[data-run-state]"), run.state);
    for (const line of section.querySelectorAll("[data-step]")) {
      const step = run.steps[line.dataset.step];
      if (!step || step.state === line.dataset.was) continue;
      line.dataset.was = step.state;
      const deep = [...line.classList].filter((name) => /^in\d$/.test(name));
      line.className = ["step", step.state, ...deep].join(" ");
      label(line.querySelector(".state"), step.state);
      if (step.acted_as) line.querySelector("[data-account]").textContent = "as " + step.acted_as.account;
    }
  });
})();
