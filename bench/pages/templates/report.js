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

  function each(selector, act) { Array.prototype.forEach.call(document.querySelectorAll(selector), act); }

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

  // Plotly is read when the first figure is drawn: the page opens without it.
  function load() {
    if (window.Plotly) { return; }
    var script = document.createElement("script");
    script.textContent = document.getElementById("plotly").textContent;
    document.head.appendChild(script);
  }

  function draw(canvas) {
    if (drawn.has(canvas)) { return; }
    load();
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

  // Opens what is closed and shows what is hidden; gives what puts it back.
  function unfold() {
    var closed = Array.prototype.slice.call(document.querySelectorAll("details:not([open])"));
    var hidden = Array.prototype.slice.call(document.querySelectorAll("[data-panel][hidden]"));
    closed.forEach(function (one) { one.open = true; });
    hidden.forEach(function (one) { one.hidden = false; });
    return function () {
      closed.forEach(function (one) { one.open = false; });
      hidden.forEach(function (one) { one.hidden = true; });
    };
  }

  function drawAll() { unfold(); canvases.forEach(draw); }

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

  var fold = function () {}, tables = Array.prototype.slice.call(document.querySelectorAll(".wide > table"));
  window.addEventListener("beforeprint", function () {
    printing = true;
    fold = unfold();
    tables.map(fitted).forEach(function (factor, number) { tables[number].style.zoom = factor; });
    canvases.forEach(draw);
    recolor(function (canvas) {
      var small = canvas.parentNode.parentNode.classList.contains("small");
      return { width: small ? 320 : 660, autosize: false };
    });
  });
  window.addEventListener("afterprint", function () {
    printing = false;
    fold();
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

  // Panels of which a selector shows one.
  each("[data-panels]", function (select) {
    select.addEventListener("change", function () {
      each("[data-panel=" + select.dataset.panels + "]", function (panel, number) {
        panel.hidden = number !== Number(select.value);
      });
    });
  });

  // Curves: those whose `meta` has every value that is selected.
  each("[data-selects]", function (controls) {
    var canvas = canvases.filter(function (one) { return one.dataset.figure === controls.dataset.selects; })[0];
    var selects = Array.prototype.slice.call(controls.querySelectorAll("select"));
    controls.addEventListener("change", function () {
      if (!drawn.get(canvas)) { return; }
      var shown = canvas.data.map(function (trace) {
        return selects.every(function (one) { return !one.value || trace.meta[one.dataset.field] === one.value; });
      });
      var axis = controls.querySelector("[data-field=metric]").value === "loss" ? "loss (nats)" : "accuracy %";
      Plotly.update(canvas, { visible: shown }, { "yaxis.title.text": axis, "yaxis.autorange": true, "xaxis.autorange": true });
    });
  });

  // Tables: a click on a heading sorts, a second one the other way; the field above filters.
  each("table.sortable", function (table) {
    var body = table.tBodies[0];
    var headings = Array.prototype.slice.call(table.tHead.rows[0].cells);
    headings.forEach(function (heading, column) {
      heading.querySelector("button").addEventListener("click", function () {
        var down = heading.getAttribute("aria-sort") !== "descending";
        headings.forEach(function (one) { one.removeAttribute("aria-sort"); });
        heading.setAttribute("aria-sort", down ? "descending" : "ascending");
        Array.prototype.slice.call(body.rows).sort(function (a, b) {
          var x = a.cells[column].dataset.order, y = b.cells[column].dataset.order;
          if (x === "" || y === "") { return (x === "") - (y === ""); }
          var less = isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y;
          return down ? -less : less;
        }).forEach(function (row) { body.appendChild(row); });
      });
    });
  });
  each("[data-filter]", function (field) {
    var rows = Array.prototype.slice.call(document.getElementById(field.dataset.filter).tBodies[0].rows);
    var said = document.querySelector("[data-shown=" + field.dataset.filter + "]");
    field.addEventListener("input", function () {
      var words = field.value.toLowerCase().split(/\s+/), count = 0;
      rows.forEach(function (row) {
        var text = row.textContent.toLowerCase();
        row.hidden = !words.every(function (word) { return text.indexOf(word) >= 0; });
        count += row.hidden ? 0 : 1;
      });
      said.textContent = field.value ? count + " of " + rows.length : "";
    });
  });

  // A link into a closed part opens it.
  function opened() {
    var target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (var one = target; one; one = one.parentElement) { if (one.tagName === "DETAILS") { one.open = true; } }
  }
  window.addEventListener("hashchange", opened);
  opened();

  // Copies a text; without the right to, it is selected.
  each("[data-copy]", function (button) {
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
