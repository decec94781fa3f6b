// SPDX-License-Identifier: Apache-2.0
'use strict';

// A WebSocket to wherever this page came from. When the gateway cuts it, the
// page says so and tries again; a refused session cannot come back.
const show = (id, text) => { document.getElementById(id).textContent = text; };
const state = document.getElementById('state');
let lines = 0;

function set(kind, text) {
  state.className = kind;
  state.textContent = text;
}

function line(event) {
  const s = JSON.parse(event.data);
  const memory = 100 * s.memory_kb / s.memory_total_kb;

  show('cpu', `${s.cpu.toFixed(1)} %`);
  show('memory', `${(s.memory_kb / 1048576).toFixed(1)} of ${(s.memory_total_kb / 1048576).toFixed(1)} GiB`);
  document.getElementById('cpu-bar').value = s.cpu;
  document.getElementById('memory-bar').value = memory;
  show('load', s.load.toFixed(2));
  show('tasks', s.tasks);
  show('uptime', `${Math.floor(s.uptime / 3600)} h ${Math.floor(s.uptime / 60) % 60} min`);
  show('lines', ++lines);
  set('live', 'live');
}

function connect() {
  const socket = new WebSocket(`wss://${location.host}/live`);

  socket.onmessage = line;
  socket.onclose = () => {
    set('cut', 'cut: the gateway no longer lets this connection through');
    setTimeout(connect, 5000);
  };
}

connect();
