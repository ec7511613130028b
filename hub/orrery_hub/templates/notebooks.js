/* The list of notebooks on the hub's home page: the platform's REST API and its event stream, as whoever is logged in. */
(() => {
  "use strict";
  const section = document.getElementById("orrery-notebooks");
  const { prefix, user } = section.dataset;
  const hub = window.jhdata.base_url;
  const part = name => section.querySelector(`[data-orrery="${name}"]`);
  const form = part("form");
  const ACTIONS = ["start", "stop", "reboot"];
  const COLOURS = { Active: "success", Pending: "info", Failed: "danger", Stopped: "secondary" };
  const TOKEN_SECONDS = 3600;
  let kind = null;
  let notebooks = [];

  function problem(message) {
    const box = part("problem");
    box.textContent = message || "";
    box.hidden = !message;
  }

  /** A token of the hub for the platform alone, for an hour; kept in this tab. */
  async function token() {
    const kept = JSON.parse(sessionStorage.getItem("orrery-token") || "null");
    if (kept && kept.user === user && kept.ends > Date.now()) {
      return kept.token;
    }
    const answer = await fetch(`${hub}api/users/${encodeURIComponent(user)}/tokens`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-XSRFToken": window.jhdata.xsrf_token },
      body: JSON.stringify({
        note: "list of notebooks",
        expires_in: TOKEN_SECONDS,
        scopes: ["access:services!service=orrery"]
      })
    });
    if (!answer.ok) {
      throw new Error(`The hub gave no access to the platform (${answer.status}); log in again.`);
    }
    const made = await answer.json();
    const ends = Date.now() + (TOKEN_SECONDS - 300) * 1000;
    sessionStorage.setItem("orrery-token", JSON.stringify({ user, ends, token: made.token }));
    return made.token;
  }

  async function ask(path, options = {}) {
    const headers = { Authorization: `Bearer ${await token()}`, "Content-Type": "application/json" };
    const answer = await fetch(`${prefix}/api/v1/${path}`, { ...options, headers });
    if (answer.status === 401) {
      sessionStorage.removeItem("orrery-token");
    }
    if (!answer.ok) {
      const told = await answer.json().catch(() => ({}));
      const error = new Error(told.error ? told.error.message : `The platform answered ${answer.status}; try again.`);
      error.fields = (told.error && told.error.details && told.error.details.fields) || [];
      throw error;
    }
    return answer.status === 204 ? null : answer.json();
  }

  function element(name, properties = {}, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  }

  function button(title, colour, act) {
    const made = element("button", { type: "button", textContent: title, className: `btn btn-sm btn-outline-${colour}` });
    made.addEventListener("click", async () => {
      made.disabled = true;
      try {
        problem("");
        await act();
        await load();
      } catch (error) {
        problem(error.message);
      } finally {
        made.disabled = false;
      }
    });
    return made;
  }

  function actions(notebook) {
    const offered = kind.actions.filter(
      action => ACTIONS.includes(action.name) && action.phases.includes(notebook.status.phase)
    );
    const made = offered.map(action =>
      button(action.title, action.destructive ? "danger" : "primary", async () => {
        if (!action.confirm || window.confirm(action.confirm)) {
          await ask(`notebooks/${notebook.id}/${action.name}`, { method: "POST" });
        }
      })
    );
    if (!notebook.status.phase.endsWith("_IN_PROGRESS")) {
      made.push(
        button("Delete", "danger", async () => {
          if (window.confirm(`Delete notebook ${notebook.name}? ${kind.deleting}`)) {
            await ask(`notebooks/${notebook.id}`, { method: "DELETE" });
          }
        })
      );
    }
    if (notebook.status.state !== "Stopped" && notebook.status.state !== "Failed") {
      made.unshift(
        element("a", {
          textContent: "Open",
          className: "btn btn-sm btn-primary",
          href: `${prefix}/apps/${notebook.id}/`,
          target: "_blank",
          rel: "noopener",
          ariaLabel: `Open ${notebook.name} in a new tab`
        })
      );
    }
    return element("div", { className: "d-flex gap-2 justify-content-end" }, ...made);
  }

  /** What has to be done about it by a date, left of its name. */
  function notice(notebook) {
    const told = notebook.status.outputs.notice;
    const action = told && kind.actions.find(each => each.name === told.action);
    if (!action || !action.phases.includes(notebook.status.phase)) {
      return [];
    }
    const made = button(told.title, "warning", async () => {
      if (!action.confirm || window.confirm(action.confirm)) {
        await ask(`notebooks/${notebook.id}/${action.name}`, { method: "POST" });
      }
    });
    made.className = "btn btn-sm btn-warning me-2";
    const until = new Date(told.until).toLocaleString();
    const text = `${told.message}: ${told.title.toLowerCase()} it by ${until}`;
    made.title = text;
    made.setAttribute("aria-label", `${told.title} ${notebook.name}. ${text}`);
    return [made, element("div", { className: "small fw-normal text-warning-emphasis", textContent: text })];
  }

  /** What is restarted for a new version, and what was not yet, or failed to be: of everybody for administrators. */
  async function upgrade() {
    const { upgrade: told, items } = await ask("notebook-upgrade");
    const others = told ? items.filter(each => each.owner !== user || each.state === "failed") : [];
    part("upgrade").hidden = others.length === 0;
    part("upgrade-title").textContent = told ? `${told.message}, by ${new Date(told.expires_at).toLocaleString()}` : "";
    part("upgrade-rows").replaceChildren(
      ...others.map(each =>
        element(
          "tr",
          {},
          element("th", { scope: "row", textContent: `${each.owner}/${each.name}` }),
          element("td", { textContent: { failed: "Failed", waits: "Waits", restarting: "Restarts" }[each.state] }),
          element("td", { textContent: each.message })
        )
      )
    );
  }

  function row(notebook) {
    const { status } = notebook;
    const colour = status.phase === "ACTIVE_UNHEALTHY" ? "warning" : COLOURS[status.state] || "secondary";
    const phase = kind.phases.find(each => each.name === status.phase);
    const badge = element("span", { className: `badge text-bg-${colour}`, textContent: phase ? phase.title : status.phase });
    const used = status.outputs.last_activity;
    const made = element(
      "tr",
      {},
      element(
        "th",
        { scope: "row" },
        ...notice(notebook).slice(0, 1),
        notebook.name,
        ...notice(notebook).slice(1),
        element("div", { className: "small fw-normal text-body-secondary", textContent: notebook.description })
      ),
      element("td", {}, badge, element("div", { className: "small text-body-secondary", textContent: status.message })),
      element("td", { textContent: notebook.spec.instance_type }),
      element("td", { textContent: used ? new Date(used).toLocaleString() : "never" }),
      element("td", {}, actions(notebook))
    );
    made.dataset.notebook = notebook.name;
    made.dataset.phase = status.phase;
    return made;
  }

  /** Draw anew, with the focus where it was. */
  function draw() {
    const body = part("rows");
    const focused = document.activeElement;
    const held = focused && body.contains(focused) ? [focused.closest("tr").dataset.notebook, focused.textContent] : null;
    body.replaceChildren(...notebooks.map(row));
    part("loading").hidden = true;
    part("empty").hidden = notebooks.length > 0;
    if (held) {
      const again = [...body.rows].find(each => each.dataset.notebook === held[0]);
      const controls = again ? [...again.querySelectorAll("a, button")] : [];
      (controls.find(each => each.textContent === held[1]) || controls[0] || part("new")).focus();
    }
  }

  async function load() {
    const found = [];
    let cursor = null;
    do {
      const page = await ask(
        `notebooks?limit=200&owner=${encodeURIComponent(user)}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`
      );
      found.push(...page.items);
      cursor = page.next;
    } while (cursor);
    notebooks = found;
    draw();
    await upgrade();
  }

  function option(value, text, disabled = false) {
    return element("option", { value, textContent: text, disabled });
  }

  async function fillForm() {
    const [images, sizes] = await Promise.all([ask("images?limit=200"), ask("instance-types")]);
    const usable = images.items.filter(each => each.spec.type === "NOTEBOOK");
    const words = image => {
      const facts = image.status.outputs;
      return [image.name, facts.core_type, facts.framework, facts.framework_version].filter(Boolean).join(" · ");
    };
    form.elements.image.replaceChildren(
      ...(kind.spec_schema.properties.image.default ? [] : [option("", "Default: as fits the instance type")]),
      ...usable.map(image => option(`${image.owner}/${image.name}`, words(image), image.status.phase !== "ACTIVE"))
    );
    form.elements.instance_type.replaceChildren(
      ...sizes.items.map(size =>
        option(size.name, `${size.name} · ${size.title}${size.fits === false ? " · does not fit here" : ""}`, size.fits === false)
      )
    );
    const wished = kind.spec_schema.properties.instance_type.default;
    const fitting = sizes.items.find(size => size.name === wished && size.fits !== false);
    if (fitting) {
      form.elements.instance_type.value = wished;
    }
    part("volume").hidden = !usable.some(image => image.spec.address);
  }

  function show(isOpen) {
    form.hidden = !isOpen;
    part("new").setAttribute("aria-expanded", String(isOpen));
    (isOpen ? form.elements.name : part("new")).focus();
  }

  function mark(fields) {
    for (const place of form.querySelectorAll("[data-wrong]")) {
      const wrong = fields.find(field => field.path === place.dataset.wrong);
      place.textContent = wrong ? wrong.message : "";
      place.parentElement.querySelector("input, select").classList.toggle("is-invalid", Boolean(wrong));
    }
  }

  form.addEventListener("submit", async event => {
    event.preventDefault();
    const { name, description, image, instance_type: size, data_gib: volume } = form.elements;
    const spec = { instance_type: size.value };
    if (image.value) {
      spec.image = image.value;
    }
    if (volume.value) {
      spec.data_gib = Number(volume.value);
    }
    const submit = form.querySelector('[type="submit"]');
    submit.disabled = true;
    try {
      problem("");
      mark([]);
      await ask("notebooks", {
        method: "POST",
        body: JSON.stringify({ name: name.value.trim(), description: description.value, spec })
      });
      form.reset();
      show(false);
      await load();
    } catch (error) {
      mark(error.fields || []);
      if (!(error.fields || []).some(field => form.querySelector(`[data-wrong="${field.path}"]`))) {
        problem(error.message);
      }
    } finally {
      submit.disabled = false;
    }
  });
  form.addEventListener("input", event => event.target.classList.remove("is-invalid"));
  part("cancel").addEventListener("click", () => show(false));
  form.addEventListener("keydown", event => event.key === "Escape" && show(false));
  part("new").addEventListener("click", async () => {
    try {
      await fillForm();
      show(form.hidden);
    } catch (error) {
      problem(error.message);
    }
  });

  /** Follow the platform's events; where they break off, begin again. */
  async function follow() {
    for (;;) {
      try {
        await load();
        problem("");
        const headers = { Authorization: `Bearer ${await token()}` };
        const answer = await fetch(`${prefix}/api/v1/events?kinds=notebook`, { headers });
        const reader = answer.body.getReader();
        const decoder = new TextDecoder();
        for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
          if (decoder.decode(piece.value, { stream: true }).includes("data:")) {
            await load();
          }
        }
      } catch (error) {
        part("loading").hidden = true;
        problem(`${error.message} It is asked again by itself.`);
      }
      await new Promise(resolve => setTimeout(resolve, 2000));
    }
  }

  (async () => {
    while (!kind) {
      try {
        const kinds = await ask("kinds");
        kind = kinds.items.find(each => each.kind === "notebook");
        if (!kind) {
          section.hidden = true;
          return;
        }
      } catch (error) {
        part("loading").hidden = true;
        problem(`${error.message} It is asked again by itself.`);
        await new Promise(resolve => setTimeout(resolve, 3000));
      }
    }
    await follow();
  })();
})();
