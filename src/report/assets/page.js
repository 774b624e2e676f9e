'use strict';
// Draws the report from the JSON beside it. Loads nothing, stores nothing but the reader's choice of light or dark.
const data = JSON.parse(document.getElementById('data').textContent);
const main = document.getElementById('main');
const search = document.getElementById('search');
const state = { tab: '', node: 0, file: -1 };

// Text in which nothing turns the direction of writing or hides: such characters are written out. Line ends stay.
const unseen = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\u{e0000}-\u{e007f}]/gu;
const plain = (text) => text.replace(unseen, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);

// Makes an element; text is always text, never markup.
function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === 'onclick') node.addEventListener('click', value);
    else if (value !== undefined && value !== false) node.setAttribute(key, value === true ? '' : value);
  }
  node.append(...children.filter((child) => child !== undefined && child !== null).map((child) => (child instanceof Node ? child : plain(`${child}`))));
  return node;
}
// Rows of one change: a browser with more would crawl.
const MOST = 1000;
const table = (head, rows) => el('table', {},
  el('thead', {}, el('tr', {}, ...head.map((text) => el('th', {}, text)))), el('tbody', {}, ...rows));
const count = (number, one, many) => `${number.toLocaleString('en')} ${number === 1 ? one : many}`;
const query = () => search.value.trim().toLowerCase();
const matches = (text) => query().split(/\s+/).every((word) => text.toLowerCase().includes(word));
const byName = new Map((data.nodes || []).map((node, index) => [node.name, index]));

// Rows are made as they come into view: a cluster has thousands.
function longList(items, row, head) {
  const body = el('tbody');
  let shown = 0;
  const more = () => { for (const end = Math.min(shown + 200, items.length); shown < end; shown += 1) body.append(row(items[shown], shown)); };
  const box = el('div', { class: 'list' }, el('table', {}, head ? el('thead', {}, el('tr', {}, ...head.map((text) => el('th', {}, text)))) : undefined, body));
  box.addEventListener('scroll', () => { if (box.scrollTop + box.clientHeight > box.scrollHeight - 400) more(); });
  more();
  return box;
}

function pick(row, act) {
  row.tabIndex = 0;
  row.addEventListener('click', act);
  row.addEventListener('keydown', (event) => { if (event.key === 'Enter') act(); });
  return row;
}

// --- what changed -----------------------------------------------------------------------------------------------------
function risks(all) {
  const list = all.filter((risk) => matches(`${risk.id} ${risk.finding} ${risk.nodes.text} ${risk.path || ''}`));
  if (!all.length) return [el('p', { class: 'soft' }, 'No risk that kubi knows of.')];
  return list.map((risk) => el('div', { class: `risk ${risk.severity}` },
    el('span', { class: 'badge' }, risk.severity), ' ', el('b', {}, risk.finding),
    el('div', { class: 'mono soft' }, [risk.nodes.text, [risk.path, ...(risk.morePaths || [])].filter(Boolean).join(', '), risk.id].filter(Boolean).join('  ·  ')),
    el('div', {}, sentence(risk.reason)), el('div', {}, el('b', {}, 'What to do: '), risk.action)));
}

function fields(list) {
  if (!list.length) return undefined;
  const rows = list.slice(0, MOST).map((field) => el('tr', {},
    el('td', { class: 'mono' }, field.path, ' ', el('span', { class: 'soft' }, field.kind === 'changed' ? '' : field.kind)),
    el('td', { class: 'mono' }, field.before ?? ''), el('td', { class: 'mono' }, field.after ?? '')));
  if (list.length > MOST) rows.push(el('tr', {}, el('td', { class: 'soft', colspan: 3 }, `${count(list.length - MOST, 'more field', 'more fields')}: kubi diff --format json has all`)));
  return table(['field', 'before', 'after'], rows);
}

function emphasised(line) {
  const cell = [];
  const bytes = new TextEncoder().encode(line.text);
  const part = (from, to) => new TextDecoder().decode(bytes.slice(from, to));
  let at = 0;
  for (const [from, to] of line.emphasis || []) {
    cell.push(part(at, from), el('mark', {}, part(from, to)));
    at = to;
  }
  cell.push(part(at, bytes.length));
  return cell;
}

// Removed lines beside the added ones that follow them.
function sideBySide(hunks) {
  const rows = [];
  for (const hunk of hunks) {
    if (rows.length || hunk.beforeLine > 1) rows.push(el('tr', { class: 'gap' }, el('td', { colspan: 4 }, '⋯')));
    let [left, right, removed, added] = [hunk.beforeLine, hunk.afterLine, [], []];
    const flush = () => {
      for (let i = 0; i < Math.max(removed.length, added.length); i += 1) {
        const [before, after] = [removed[i], added[i]];
        rows.push(el('tr', {},
          el('td', { class: 'no' }, before ? `${before.no}` : ''), el('td', { class: before ? 'removed' : 'none' }, ...(before ? emphasised(before.line) : [])),
          el('td', { class: 'no' }, after ? `${after.no}` : ''), el('td', { class: after ? 'added' : 'none' }, ...(after ? emphasised(after.line) : []))));
      }
      [removed, added] = [[], []];
    };
    for (const line of hunk.lines) {
      if (line.kind === 'removed') { if (added.length) flush(); removed.push({ line, no: left }); left += 1; }
      else if (line.kind === 'added') { added.push({ line, no: right }); right += 1; }
      else {
        flush();
        rows.push(el('tr', {}, el('td', { class: 'no' }, `${left}`), el('td', {}, line.text), el('td', { class: 'no' }, `${right}`), el('td', {}, line.text)));
        left += 1; right += 1;
      }
    }
    flush();
  }
  const left = rows.length - MOST;
  if (left > 0) rows.splice(MOST, left, el('tr', { class: 'gap' }, el('td', { colspan: 4 }, `${count(left, 'more line', 'more lines')}: kubi diff --lines shows all`)));
  const columns = [46, '', 46, ''].map((width) => el('col', width ? { style: `width:${width}px` } : {}));
  return el('table', { class: 'sides mono' }, el('colgroup', {}, ...columns), el('tbody', {}, ...rows));
}

// Where the fields say it all, the lines are there for who wants them.
function lines(item) {
  if (!item.hunks || !item.hunks.length) return undefined;
  if (!item.fields.length) return sideBySide(item.hunks);
  const untold = (item.untold || []).map((at) => item.hunks[at]);
  const all = el('details', {}, el('summary', {}, 'lines'), el('div', { class: 'inside' }, sideBySide(item.hunks)));
  return untold.length ? el('div', {}, sideBySide(untold), untold.length < item.hunks.length ? all : undefined) : all;
}

// What a pattern stands for on each node.
function perNode(item) {
  if (!item.perNode || !item.perNode.length) return undefined;
  const lines = (list) => list.map((line) => `${line.kind === 'removed' ? '-' : '+'} ${line.text}`).join('\n');
  const rows = item.perNode.flatMap((own) => [...(own.fields || []).map((field) => [field.path, field.before ?? '', field.after ?? '']), ...(own.lines ? [['lines', '', lines(own.lines)]] : [])]
    .map((cells) => el('tr', {}, el('td', { class: 'mono' }, own.node), ...cells.map((text) => el('td', { class: 'mono' }, text)))));
  const details = el('details', {}, el('summary', {}, `values of ${count(item.perNode.length, 'node', 'nodes')}`));
  details.addEventListener('toggle', () => { if (details.children.length === 1) details.append(table(['node', 'field', 'before', 'after'], rows)); });
  return details;
}

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + (text.endsWith('.') ? '' : '.');

function change(item, open) {
  const why = [...item.why.spec, ...item.why.inputs];
  const head = el('summary', {}, el('span', { class: 'chip' }, item.state), el('code', {}, item.path),
    item.renamedFrom ? ` from ${item.renamedFrom}` : '', ' ', el('span', { class: 'soft' }, why.length ? `because of ${why.join(', ')}` : ''));
  const details = el('details', { open }, head);
  // Made when it is opened: a change of a thousand nodes has many.
  const fill = () => {
    if (details.children.length > 1) return;
    details.append(el('div', { class: 'inside' },
      el('div', { class: 'soft' }, `recipe ${item.origin.recipe || 'unknown'}`, item.origin.source ? `, ${item.origin.source}` : '', item.pattern ? '; values in <angle brackets> differ from node to node' : ''),
      fields(item.fields), perNode(item), lines(item)));
  };
  details.addEventListener('toggle', fill);
  if (open) fill();
  return details;
}

// The first changes are open; the others open when they are chosen.
function grouped(groups, none) {
  const out = [];
  let total = 0;
  for (const group of groups) {
    const items = group.changes.filter((item) => matches(`${item.path} ${group.nodes.text} ${group.nodes.names.join(' ')}`));
    if (!items.length) continue;
    out.push(el('h3', {}, `${group.nodes.text} `, el('span', { class: 'soft' }, count(items.length, 'change', 'changes'))));
    for (const item of items) { out.push(change(item, total < 8)); total += 1; }
  }
  if (!total) out.push(el('p', { class: 'soft' }, query() ? 'Nothing matches.' : none));
  return out;
}

// Nodes that only one side has: how they differ from another one, or all that they have.
function wholeNodes(title, groups = []) {
  const out = [];
  for (const whole of groups) {
    const items = whole.changes.filter((item) => matches(`${item.path} ${whole.nodes.text} ${whole.nodes.names.join(' ')}`));
    if (!items.length && !matches(`${whole.nodes.text} ${whole.nodes.names.join(' ')}`)) continue;
    out.push(el('h3', {}, `${whole.nodes.text} `, el('span', { class: 'soft' }, whole.nodes.names.length > 1 ? count(whole.nodes.names.length, 'node', 'nodes') : '')),
      el('p', { class: 'soft' }, aboutWhole(whole)), folded('addresses', ['node', ''], (whole.perNode || []).map((own) => [own.node, valued(own.fields || [])])),
      folded('entries with values of their own', ['path', ''], (whole.own || []).map((own) => [own.path, valued(own.fields || [])])), ...items.map((item) => change(item, false)));
  }
  return out.length ? [el('h2', {}, title), ...out.filter(Boolean)] : [];
}

function aboutWhole(whole) {
  if (!whole.like) return `${count(whole.entries, 'entry', 'entries')}; no other node has these roles`;
  const own = (whole.own || []).length;
  const same = whole.entries - own - whole.changes.filter((item) => item.state !== 'removed').length;
  return `like ${whole.like}: ${same} of ${count(whole.entries, 'entry is', 'entries are')} the same${own ? `, ${own} differ by names, addresses and keys alone` : ''}${whole.changes.length ? `, ${whole.changes.length} otherwise` : ''}`;
}

const valued = (list) => list.map((field) => `${field.path === 'line' ? '' : `${field.path} `}${field.after ?? field.before ?? ''}`).join('; ');

// A table that is made when it is opened.
function folded(title, head, rows) {
  if (!rows.length) return undefined;
  const details = el('details', {}, el('summary', {}, `${title}: ${rows.length}`));
  const row = (cells) => el('tr', {}, ...cells.map((text) => el('td', { class: 'mono' }, text)));
  details.addEventListener('toggle', () => { if (details.children.length === 1) details.append(el('div', { class: 'inside' }, longList(rows, row, head))); });
  return details;
}

function changes() {
  const diff = data.diff;
  const tiles = [['nodes changed', diff.summary.nodesChanged], ['added', diff.summary.nodesAdded], ['removed', diff.summary.nodesRemoved], ['the same', diff.summary.nodesSame], ['high risks', diff.summary.risksHigh]];
  const out = [el('p', {}, el('b', {}, diff.before.label), ' → ', el('b', {}, diff.after.label)),
    el('div', { class: 'tiles' }, ...tiles.map(([name, number]) => el('div', { class: 'tile' }, el('b', {}, `${number}`), name))),
    ...diff.notes.map((note) => el('p', { class: 'soft' }, note)), el('h2', {}, 'Risks'), ...risks(diff.risks)];
  if (diff.spec.length || diff.inputs.length) out.push(el('h2', {}, 'What moved'), fields([...diff.spec, ...diff.inputs]));
  out.push(el('h2', {}, 'Files'), ...grouped(diff.groups, diff.nodes.length > diff.summary.nodesChanged ? 'No file of a node that stays differs.' : 'No file differs.'));
  if (diff.libvirt && diff.libvirt.length) out.push(el('h2', {}, 'Domains and networks of libvirt'), ...grouped(diff.libvirt, ''));
  out.push(...wholeNodes('New nodes', diff.added), ...wholeNodes('Nodes that go away', diff.removed));
  const nodes = diff.nodes.filter((node) => matches(node.name));
  if (nodes.length) {
    out.push(el('h2', {}, 'Nodes, in the order of replacement'), longList(nodes, (node) => el('tr', {}, el('td', {}, node.name),
      el('td', {}, ...node.roles.map((role) => el('span', { class: 'chip' }, role))), el('td', {}, node.state),
      el('td', {}, node.effects.map((effect) => effect.reason ? `data at risk: ${effect.reason}` : effect.kind.replace(/[A-Z]/g, (c) => ` ${c.toLowerCase()}`)).join(', '))), ['node', 'roles', 'state', 'what deploy does']));
  }
  return out;
}

// --- what there is ----------------------------------------------------------------------------------------------------
function overview() {
  const picture = el('div', { class: 'picture' }, document.getElementById('topology').content.cloneNode(true));
  for (const card of picture.querySelectorAll('.t-node')) {
    card.setAttribute('tabindex', '0');
    const open = () => { const name = card.dataset.node; search.value = byName.has(name) ? name : name.replace(/[0-9]+\.\.[0-9]+$/, ''); state.node = 0; show('nodes'); };
    card.addEventListener('click', open);
    card.addEventListener('keydown', (event) => { if (event.key === 'Enter') open(); });
  }
  const tiles = data.nodes ? [['nodes', data.nodes.length], ['files', data.nodes.reduce((sum, node) => sum + node.files.length, 0)], ['different files', data.files.length], ['certificates', data.certificates.reduce((sum, c) => sum + c.count, 0)]] : [];
  return [el('div', { class: 'tiles' }, ...tiles.map(([name, number]) => el('div', { class: 'tile' }, el('b', {}, number.toLocaleString('en')), name))), ...standing(), picture];
}

// Risks of the build itself; on a page about a change that change's are told instead.
const standing = () => (data.diff || !data.risks ? [] : [el('h2', {}, 'Risks'), ...risks(data.risks), el('h2', {}, 'Topology')]);

function nodes() {
  const words = query();
  const hit = (node) => matches(node.name) || node.files.some((file) => matches(data.files[file].path));
  const list = data.nodes.filter((node) => !words || hit(node));
  if (!list.length) return [el('p', { class: 'soft' }, 'Nothing matches.')];
  state.node = Math.min(state.node, list.length - 1);
  const node = list[state.node];
  const left = longList(list, (item, index) => pick(el('tr', { class: 'pick', 'aria-selected': `${item === node}` },
    el('td', {}, item.name, el('div', { class: 'soft' }, item.roles.join(', ')))), () => { state.node = index; state.file = -1; show('nodes', true); }));
  const wanted = node.files.filter((file) => !words || matches(node.name) || matches(data.files[file].path));
  const right = el('div', {}, el('h3', {}, node.name), el('div', { class: 'mono soft' }, `bundle ${node.bundle}`));
  if (state.file >= 0) right.append(...fileView(data.files[state.file]));
  else right.append(longList(wanted, (file) => { const f = data.files[file]; return pick(el('tr', { class: 'pick' },
    el('td', { class: 'mono' }, f.path, f.target ? ` → ${f.target}` : ''), el('td', { class: 'mono short' }, f.mode), el('td', { class: 'mono short' }, f.owner), el('td', { class: 'mono short' }, f.size ?? ''), el('td', { class: 'soft short' }, data.origins[f.origin].recipe)),
  () => { state.file = file; show('nodes', true); }); }, ['path', 'mode', 'owner', 'bytes', 'recipe']));
  return [el('div', { class: 'columns' }, left, right)];
}

function fileView(file) {
  const origin = data.origins[file.origin];
  const facts = [['type', file.kind], ['mode', file.mode], ['owner', file.owner], ['bytes', file.size], ['digest', file.digest], ['link to', file.target], ['recipe', origin.recipe], ['source', origin.source], ['spec keys', origin.spec.join(', ')]];
  const text = data.contents[file.digest];
  return [el('p', {}, el('button', { type: 'button', onclick: () => { state.file = -1; show('nodes', true); } }, '← files (Esc)')), el('h3', { class: 'mono' }, file.path),
    table(['', ''], facts.filter(([, value]) => value !== undefined && value !== null && value !== '').map(([name, value]) => el('tr', {}, el('th', {}, name), el('td', { class: 'mono' }, `${value}`)))),
    text !== undefined ? el('pre', {}, text) : file.kind === 'file' ? el('p', { class: 'soft' }, 'The text is not in this report: `kubi show NODE PATH` prints it.') : undefined].filter(Boolean);
}

// Validity of certificates on one line of time. Now is the reader's clock: the file itself has none.
function certificates() {
  const list = data.certificates.filter((item) => matches(`${item.path} ${item.nodes} ${item.subject} ${item.issuer} ${item.sans.join(' ')}`));
  if (!list.length) return [el('p', { class: 'soft' }, 'Nothing matches.')];
  const now = Date.now() / 1000;
  const from = Math.min(now, ...list.map((item) => item.notBefore));
  const to = Math.max(now, ...list.map((item) => item.notAfter));
  const at = (time) => `${(100 * (time - from) / Math.max(1, to - from)).toFixed(2)}%`;
  const date = (time) => new Date(time * 1000).toISOString().slice(0, 10);
  const years = [];
  const first = new Date(from * 1000).getUTCFullYear() + 1;
  const step = Math.max(1, Math.ceil((new Date(to * 1000).getUTCFullYear() - first) / 12));
  for (let year = first; Date.UTC(year, 0, 1) / 1000 < to; year += step) years.push([year, Date.UTC(year, 0, 1) / 1000]);
  const axis = el('div', { class: 'bar-row axis' }, el('b', {}, 'certificate'), el('div', { class: 'track' }, ...years.map(([year, time]) => el('span', { style: `left:${at(time)}` }, `${year}`))));
  const rows = list.map((item) => {
    const left = (item.notAfter - now) / 86400;
    const kind = left < 0 ? 'over' : left < 60 ? 'soon' : '';
    const words = left < 0 ? `expired ${date(item.notAfter)}` : `until ${date(item.notAfter)}, ${count(Math.floor(left), 'day', 'days')} left`;
    return el('details', {}, el('summary', {}, el('div', { class: 'bar-row' }, el('div', {}, el('code', {}, item.path), el('div', { class: 'soft' }, `${item.nodes}  ·  ${words}`)),
      el('div', { class: 'track', title: words }, ...years.map(([, time]) => el('u', { style: `left:${at(time)}` })), el('i', { class: kind, style: `left:${at(item.notBefore)};width:calc(${at(item.notAfter)} - ${at(item.notBefore)})` }), el('u', { class: 'now', style: `left:${at(now)}` })))),
    el('div', { class: 'inside' }, table(['', ''], [['subject', item.subject], ['issuer', item.issuer], ['names', item.sans.join(', ')], ['usages', item.usages.join(', ')], ['valid', `${date(item.notBefore)} to ${date(item.notAfter)}`], ['certificates', item.count]]
      .map(([name, value]) => el('tr', {}, el('th', {}, name), el('td', { class: 'mono' }, `${value}`))))));
  });
  return [axis, ...rows];
}

// --- the frame --------------------------------------------------------------------------------------------------------
function overviewTitle() {
  const topology = data.topologyLabel ? `topology of ${data.topologyLabel}` : 'topology';
  return data.risks && !data.diff ? `Risks and ${topology}` : `T${topology.slice(1)}`;
}

const tabs = [
  data.diff && ['changes', 'Changes', changes],
  document.getElementById('topology').content.firstElementChild && ['overview', overviewTitle(), overview],
  data.nodes && ['nodes', data.diff ? `Nodes and files of ${data.buildLabel}` : 'Nodes and files', nodes],
  data.certificates && ['certificates', data.diff ? `Certificates of ${data.buildLabel}` : 'Certificates', certificates],
].filter(Boolean);

function show(tab, keepFocus) {
  const entry = tabs.find(([id]) => id === tab) || tabs[0];
  state.tab = entry[0];
  for (const button of document.querySelectorAll('#tabs button')) button.setAttribute('aria-selected', `${button.dataset.tab === state.tab}`);
  const scroll = keepFocus ? main.querySelector('.list')?.scrollTop : 0;
  main.replaceChildren(...entry[2]());
  if (keepFocus && main.querySelector('.list')) main.querySelector('.list').scrollTop = scroll;
  document.body.dataset.tab = state.tab;
}

for (const [id, title] of tabs) document.getElementById('tabs').append(el('button', { type: 'button', role: 'tab', 'data-tab': id, onclick: () => { state.file = -1; show(id); } }, title));
let waiting;
search.addEventListener('input', () => { clearTimeout(waiting); waiting = setTimeout(() => { state.node = 0; state.file = -1; show(state.tab); }, 120); });

const root = document.documentElement;
const theme = (name) => { root.dataset.theme = name; try { localStorage.setItem('kubi-theme', name); } catch { /* a file may have no storage */ } };
let chosen; try { chosen = localStorage.getItem('kubi-theme'); } catch { /* as above */ }
root.dataset.theme = chosen || (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light');
const toggle = () => theme(root.dataset.theme === 'dark' ? 'light' : 'dark');
document.getElementById('theme').addEventListener('click', toggle);

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target === search) { if (event.key === 'Escape') { search.value = ''; search.blur(); show(state.tab); } return; }
  const tab = tabs[Number(event.key) - 1];
  if (event.key === '/') { event.preventDefault(); search.focus(); }
  else if (event.key === 't') toggle();
  else if (tab) { state.file = -1; show(tab[0]); }
  else if (event.key === 'Escape' && state.file >= 0) { state.file = -1; show('nodes', true); }
  else if (state.tab === 'nodes' && (event.key === 'j' || event.key === 'k')) { state.node = Math.max(0, state.node + (event.key === 'j' ? 1 : -1)); state.file = -1; show('nodes', true); }
});
// Links to a part and a search: #tab=nodes&search=etcd
const link = new URLSearchParams(location.hash.slice(1));
search.value = link.get('search') || '';
show(link.get('tab') || '');
