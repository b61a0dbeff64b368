"use strict";

const KEPT = 500; // lines on the page
const rows = document.getElementById("processes");
const note = document.getElementById("note");
const lines = document.getElementById("lines");
let chosen = null;
let socket = null;
let asked = false;

function element(name, text, className = "") {
  const made = document.createElement(name);
  made.textContent = text; // never as HTML: programs write what they like
  made.className = className;
  return made;
}

function row(process) {
  const choose = element("button", process.slug);
  choose.addEventListener("click", () => attach(process));
  const name = document.createElement("td");
  name.append(choose);
  const state = element("td", process.state, `state ${process.state}`);
  state.title = process.reason ?? "";
  const made = document.createElement("tr");
  made.setAttribute("aria-selected", process.slug === chosen);
  made.append(name, state, element("td", process.pid ?? "", "number"),
    element("td", process.restarts, "number"));
  return made;
}

async function list() {
  try {
    const answer = await fetch("/list-processes");
    if (answer.status === 401) return location.reload(); // to sign in, again
    const {processes, detail} = await answer.json();
    if (!answer.ok) return note.textContent = `The agent says no: ${detail}`;
    rows.replaceChildren(...processes.map(row));
    note.textContent = processes.length ? "" : "There are none yet.";
    if (chosen === null && processes.length) attach(processes[0]);
  } catch (error) {
    note.textContent = `The agent does not answer: ${error.message}`;
  }
}

function attach(process) {
  if (socket !== null) socket.close();
  chosen = process.slug;
  for (const each of rows.children)
    each.setAttribute("aria-selected", each.firstElementChild.textContent === chosen);
  document.getElementById("whose").textContent = `Lines of ${chosen}`;
  lines.replaceChildren();
  const opened = new WebSocket(`${process.attach}?format=json&tail=100`);
  opened.onmessage = ({data}) => { if (socket === opened) show(JSON.parse(data)); };
  opened.onclose = ({reason}) => {
    if (socket !== opened) return;
    show({line: `(${reason || "the connection is closed"})`, stream: "smartmob"});
    socket = chosen = null;
  };
  socket = opened;
}

function show(said) {
  const end = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 30;
  if (said.line !== undefined)
    lines.append(element("span", `${said.line}\n`, said.stream));
  else if (said.event === "dropped")
    lines.append(element("span", `(${said.missed} lines are missing)\n`, "smartmob"));
  else if (said.event === "exited")
    lines.append(element("span", `(ended: ${said.signal ?? said.code})\n`, "smartmob"));
  while (lines.childElementCount > KEPT) lines.firstElementChild.remove();
  if (end) lines.scrollTop = lines.scrollHeight;
}

// Whatever happens to a process is told; what it is like then is asked, but not more
// often than a person can read.
function changed() {
  if (asked) return;
  asked = true;
  setTimeout(() => { asked = false; list(); }, 200);
}

const events = new EventSource("/events");
events.onopen = list;
events.onmessage = changed;
events.onerror = list; // which says why
