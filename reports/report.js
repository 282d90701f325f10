// Draws every <figure class="chart"> of the page: the specification and the rows of its section, the rows
// cut to its setting. Draws again when the reader's colour scheme changes.
(function () {
    "use strict";
    const dark = window.matchMedia("(prefers-color-scheme: dark)");
    const json = (id) => JSON.parse(document.getElementById(id).textContent);

    function config() {
        const style = getComputedStyle(document.documentElement);
        const colour = (name) => style.getPropertyValue(name).trim();
        const axis = {
            labelColor: colour("--text"), titleColor: colour("--text"), gridColor: colour("--line"),
            domainColor: colour("--faint"), tickColor: colour("--faint"), labelOverlap: "greedy",
            labelFontSize: 12, titleFontSize: 13, titleFontWeight: 500, labelLimit: 320
        };
        return {
            background: "transparent", font: "system-ui, sans-serif", axis: axis,
            legend: { labelColor: colour("--text"), titleColor: colour("--text"), labelLimit: 260,
                      labelFontSize: 12, titleFontSize: 12, symbolLimit: 60,
                      symbolBaseFillColor: colour("--faint"), symbolBaseStrokeColor: colour("--faint") },
            title: { color: colour("--text"), anchor: "start", fontSize: 14, fontWeight: 600,
                     subtitleColor: colour("--faint"), offset: 12 },
            view: { stroke: colour("--line") },
            range: { category: { scheme: dark.matches ? "set2" : "tableau10" } }
        };
    }

    function draw(figure) {
        const section = figure.dataset.section, setting = figure.dataset.setting;
        const spec = json("spec-" + section);
        const rows = json("rows-" + section);
        spec.datasets = { rows: setting === undefined ? rows : rows.filter((r) => r.setting === setting) };
        if (setting !== undefined && typeof spec.title === "object")
            spec.title.subtitle = setting;
        const fail = (error) => {
            figure.textContent = "This chart could not be drawn: " + error.message;
            console.error(section, error);
        };
        try {
            // Errors only: Vega-Lite warns of every chart that is as wide as the page and as high as its
            // rows, which is what these are meant to be.
            vegaEmbed(figure, spec, {
                actions: false, renderer: "svg", config: config(), logLevel: vega.Error
            }).then(
                () => { figure.dataset.drawn = "yes"; }, fail);
        } catch (error) {
            fail(error);
        }
    }

    const drawAll = () => document.querySelectorAll("figure.chart").forEach(draw);
    dark.addEventListener("change", drawAll);
    drawAll();
})();
