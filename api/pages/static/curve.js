// Draws one signal with uPlot: a step without a sample is a gap, never a line across it.
const room = document.getElementById("curve");
const HEIGHT = 320;

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const read = async () => {
  const answer = await fetch(room.dataset.source);
  if (!answer.ok) throw new Error(String(answer.status));
  const [series] = (await answer.json()).items;
  const step = series.resolution ?? 60;
  const times = [], values = [];
  for (const point of series.points) {
    const at = Date.parse(point.at) / 1000;
    if (times.length && at - times[times.length - 1] > 3 * step) {
      times.push(times[times.length - 1] + step);
      values.push(null);
    }
    times.push(at);
    values.push(point.mean ?? point.value);
  }
  return [times, values];
};

const draw = (data) => {
  const language = document.documentElement.lang;
  const { zone, from, to } = room.dataset;
  const number = new Intl.NumberFormat(language, { maximumFractionDigits: 2 });
  const moment = new Intl.DateTimeFormat(language, { day: "2-digit", month: "2-digit", hour: "2-digit", minute: "2-digit", timeZone: zone });
  const hour = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: zone });
  const day = new Intl.DateTimeFormat(language, { weekday: "short", day: "numeric", timeZone: zone });
  const axis = { stroke: colour("--ink-2"), font: `12px ${getComputedStyle(document.body).fontFamily}`, grid: { stroke: colour("--grid"), width: 1 }, ticks: { stroke: colour("--rule"), width: 1, size: 4 } };
  const isLong = to - from > 172800;
  const options = {
    width: room.clientWidth,
    height: HEIGHT,
    tzDate: (at) => window.uPlot.tzDate(new Date(at * 1000), zone),
    scales: { x: { range: (_, low, high) => (low === data[0][0] && high === data[0].at(-1) ? [Number(from), Number(to)] : [low, high]) } },
    cursor: { drag: { x: true, y: false } },
    series: [
      { label: room.dataset.time, value: (_, at) => (at == null ? "" : moment.format(at * 1000)) },
      { label: room.dataset.label, stroke: colour("--ink"), width: 1.5, spanGaps: false, points: { show: false }, value: (_, value) => (value == null ? "–" : `${number.format(value)} ${room.dataset.unit}`) },
    ],
    axes: [
      { ...axis, values: (_, splits) => splits.map((at) => (isLong ? day : hour).format(at * 1000)) },
      { ...axis, size: 56, values: (_, splits) => splits.map((value) => number.format(value)) },
    ],
    legend: { live: true },
  };
  const plot = new window.uPlot(options, data, room);
  new ResizeObserver(() => plot.setSize({ width: room.clientWidth, height: HEIGHT })).observe(room);
  room.dataset.drawn = String(data[0].length);
};

if (room) {
  read().then((data) => {
    if (data[0].length) draw(data);
    else room.textContent = room.dataset.empty;
  }).catch(() => { room.textContent = room.dataset.failed; });
}
