"use strict";
// Draws the plots of the last 24 hours. Without it the page has the same figures as a table.
(async () => {
  const answer = await fetch("history.json");
  if (!answer.ok) return;
  const minutes = await answer.json();
  const times = minutes.map(m => Date.parse(m.at) / 1000);
  const plots = [];
  const draw = () => {
    plots.splice(0).forEach(p => p.destroy());
    const style = getComputedStyle(document.documentElement);
    const ink = getComputedStyle(document.body).color;
    const line = style.getPropertyValue("--line").trim();
    document.querySelectorAll("[data-plot]").forEach(place => {
      const values = minutes.map(m => m[place.dataset.plot] ?? null);
      const axis = {stroke: ink, grid: {stroke: line, width: 1}, ticks: {stroke: line, width: 1}};
      plots.push(new uPlot({
        width: place.clientWidth, height: 180, cursor: {y: false}, legend: {live: true},
        scales: {y: {range: (_, low, high) => [0, Math.max(1, high || 0) * 1.05]}},
        axes: [axis, {...axis, size: 60}],
        series: [{label: "time"}, {label: place.dataset.unit, stroke: style.getPropertyValue("--plot").trim(), width: 2, points: {show: values.length < 3}}],
      }, [times, values], place));
    });
  };
  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  let later;
  addEventListener("resize", () => { clearTimeout(later); later = setTimeout(draw, 150); });
})();
