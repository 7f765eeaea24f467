// Draws the page's figures when they come into view, all of them for print, in the colors of the page.
(function () {
  "use strict";
  var LIGHT = { text: "#2b3038", faint: "#6b7380", grid: "#e6e8ec", line: "#c9ced6", hover: "#ffffff" };
  var DARK = { text: "#d6dae1", faint: "#98a1ad", grid: "#2b313a", line: "#434b57", hover: "#20252d" };
  var FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif";
  var dark = window.matchMedia("(prefers-color-scheme: dark)");
  var canvases = Array.prototype.slice.call(document.querySelectorAll(".canvas"));
  var drawn = new Map();
  var errors = [];
  var printing = false;

  function colors() {
    return dark.matches && !printing ? DARK : LIGHT;
  }

  function axesOf(layout) {
    return Object.keys(layout).filter(function (key) { return /^[xy]axis\d*$/.test(key); });
  }

  // What the color scheme decides, as the paths that Plotly.relayout takes.
  function themed(layout) {
    var c = colors();
    var paths = {
      "font.color": c.text, "legend.font.color": c.text,
      "modebar.bgcolor": "rgba(0,0,0,0)", "modebar.color": c.faint, "modebar.activecolor": c.text,
      "hoverlabel.bgcolor": c.hover, "hoverlabel.bordercolor": c.line, "hoverlabel.font.color": c.text
    };
    axesOf(layout).forEach(function (name) {
      paths[name + ".gridcolor"] = c.grid;
      paths[name + ".linecolor"] = c.line;
      paths[name + ".zerolinecolor"] = c.line;
      paths[name + ".tickcolor"] = c.line;
      paths[name + ".tickfont.color"] = c.faint;
    });
    (layout.annotations || []).forEach(function (_, number) {
      paths["annotations[" + number + "].font.color"] = c.faint;
    });
    return paths;
  }

  // Numbers inside heatmaps.
  function labelled(data) {
    return data.map(function (trace) { return trace.type === "heatmap" ? colors().text : null; });
  }

  function put(layout, path, value) {
    var keys = path.replace(/\[(\d+)\]/g, ".$1").split(".");
    var last = keys.pop();
    var place = keys.reduce(function (inner, key) { return inner[key] || (inner[key] = {}); }, layout);
    place[last] = value;
  }

  // Plotly's toolbar, on hover, is in the margin above the plot; phones have none.
  var TOOLBAR = 32;
  function barred() { return window.innerWidth >= 600; }

  function finished(layout, small) {
    layout.autosize = true;
    layout.paper_bgcolor = layout.plot_bgcolor = "rgba(0,0,0,0)";
    layout.font = { family: FONT, size: small ? 11 : 12 };
    var named = layout.annotations && layout.annotations.length ? 14 : 0;
    layout.margin = { l: 52, r: 12, t: (barred() ? TOOLBAR : 8) + named, b: 42 };
    layout.legend = Object.assign({ orientation: "h", x: 0, y: -0.18, yanchor: "top", font: { size: small ? 10 : 11 } }, layout.legend);
    layout.hoverlabel = { namelength: -1, font: { family: FONT, size: 12 } };
    axesOf(layout).forEach(function (name) {
      layout[name].title = Object.assign({ standoff: 6 }, layout[name].title);
      layout[name].title.font = { size: small ? 10.5 : 11.5 };
      layout[name].tickfont = Object.assign({ size: small ? 10 : 11 }, layout[name].tickfont);
    });
    var paths = themed(layout);
    Object.keys(paths).forEach(function (path) { put(layout, path, paths[path]); });
    return layout;
  }

  function draw(canvas) {
    if (drawn.has(canvas)) { return; }
    drawn.set(canvas, false);
    try {
      var content = JSON.parse(canvas.parentNode.querySelector("script").textContent);
      var small = canvas.parentNode.parentNode.classList.contains("small");
      var options = {
        responsive: true, displaylogo: false, modeBarButtonsToRemove: ["lasso2d", "select2d"],
        displayModeBar: barred() ? "hover" : false
      };
      labelled(content.data).forEach(function (color, number) {
        if (color) { content.data[number].textfont = { color: color }; }
      });
      Plotly.newPlot(canvas, content.data, finished(content.layout, small), options).then(
        function () { drawn.set(canvas, true); tell(); },
        function (error) { failed(canvas, error); }
      );
    } catch (error) { failed(canvas, error); }
  }

  function failed(canvas, error) {
    errors.push(canvas.dataset.figure + ": " + error);
    console.error(canvas.dataset.figure, error);
  }

  function tell() {
    var done = 0;
    drawn.forEach(function (whole) { done += whole ? 1 : 0; });
    document.documentElement.dataset.drawn = done + "/" + canvases.length;
  }

  function drawAll() { canvases.forEach(draw); }

  function recolor(more) {
    drawn.forEach(function (whole, canvas) {
      if (canvas.layout) {
        Plotly.relayout(canvas, Object.assign(themed(canvas.layout), more ? more(canvas) : {}));
        labelled(canvas.data).forEach(function (color, number) {
          if (color) { Plotly.restyle(canvas, { "textfont.color": color }, [number]); }
        });
      }
    });
  }

  dark.addEventListener("change", function () { recolor(); });

  // Tables that are wider than paper shrink until they fit; PRINT is how much smaller their letters are there.
  var PAPER = 680, PRINT = 0.8;
  function fitted(table) {
    table.style.width = "max-content";
    var factor = PAPER / (table.offsetWidth * PRINT);
    table.style.width = "";
    return factor < 1 ? factor : "";
  }

  var folded = [], tables = Array.prototype.slice.call(document.querySelectorAll(".wide > table"));
  window.addEventListener("beforeprint", function () {
    printing = true;
    folded = Array.prototype.slice.call(document.querySelectorAll("details:not([open])"));
    folded.forEach(function (one) { one.open = true; });
    tables.map(fitted).forEach(function (factor, number) { tables[number].style.zoom = factor; });
    drawAll();
    recolor(function (canvas) {
      var small = canvas.parentNode.parentNode.classList.contains("small");
      return { width: small ? 320 : 660, autosize: false };
    });
  });
  window.addEventListener("afterprint", function () {
    printing = false;
    folded.forEach(function (one) { one.open = false; });
    tables.forEach(function (table) { table.style.zoom = ""; });
    recolor(function () { return { width: null, autosize: true }; });
  });

  if ("IntersectionObserver" in window) {
    var seen = new IntersectionObserver(function (entries) {
      entries.forEach(function (entry) {
        if (entry.isIntersecting) { seen.unobserve(entry.target); draw(entry.target); }
      });
    }, { rootMargin: "600px 0px" });
    canvases.forEach(function (canvas) { seen.observe(canvas); });
  } else { drawAll(); }

  // Copies a text; without the right to, it is selected.
  Array.prototype.forEach.call(document.querySelectorAll("[data-copy]"), function (button) {
    button.addEventListener("click", function () {
      var source = document.getElementById(button.dataset.copy);
      window.getSelection().selectAllChildren(source);
      var said = function () { button.textContent = "Copied"; };
      if (navigator.clipboard) { navigator.clipboard.writeText(source.textContent).then(said, function () {}); }
    });
  });

  window.leukobench = { drawAll: drawAll, figures: canvases.length, errors: errors };
  tell();
})();
