"use strict";
// Draws the plots of the last 24 hours. Without it the page has the same figures as a table.
(async () => {
  const answer = await fetch("history.json");
  if (!answer.ok) return;
  const minutes = await answer.json();
  const times = minutes.map(m => Date.parse(m.at) / 1000);
  const plots = [];
  const clock = t => new Date(t * 1000).toISOString().slice(11, 16);
  // Minutes that fall on one dot of the plot are one value: their mean, of the backlog the most.
  const thin = (values, each, most) => {
    const all = [];
    for (let i = 0; i < values.length; i += each) {
      const known = values.slice(i, i + each).filter(v => v !== null);
      all.push(!known.length ? null : most ? Math.max(...known) : known.reduce((a, b) => a + b) / known.length);
    }
    return all;
  };
  const draw = () => {
    plots.splice(0).forEach(p => p.destroy());
    const style = getComputedStyle(document.documentElement);
    const ink = getComputedStyle(document.body).color;
    const line = style.getPropertyValue("--line").trim();
    document.querySelectorAll("[data-plot]").forEach(place => {
      const each = Math.max(1, Math.ceil(minutes.length / (place.clientWidth / 3)));
      const values = thin(minutes.map(m => m[place.dataset.plot] ?? null), each, place.dataset.plot === "backlog");
      const axis = {stroke: ink, grid: {stroke: line, width: 1}, ticks: {stroke: line, width: 1}};
      plots.push(new uPlot({
        tzDate: t => uPlot.tzDate(new Date(t * 1000), "UTC"), width: place.clientWidth, height: 180, cursor: {y: false}, legend: {live: true},
        scales: {y: {range: (_, low, high) => [0, Math.max(1, high || 0) * 1.05]}},
        axes: [{...axis, values: (_, at) => at.map(clock)}, {...axis, size: 60}],
        series: [{label: "UTC", value: (_, t) => t === null ? "–" : clock(t)}, {label: place.dataset.unit, value: (_, v) => v === null ? "–" : +v.toFixed(1), stroke: style.getPropertyValue("--plot").trim(), width: 2, points: {show: values.length < 3}}],
      }, [times.filter((_, i) => i % each === 0), values], place));
    });
  };
  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  let later;
  addEventListener("resize", () => { clearTimeout(later); later = setTimeout(draw, 150); });
})();
