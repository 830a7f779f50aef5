"use strict";
(() => {
  const copied = document.getElementById("copied");
  for (const button of document.querySelectorAll("button[data-copies]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const source = document.getElementById(button.dataset.copies);
      try {
        await navigator.clipboard.writeText(source.textContent);
      } catch {
        const range = document.createRange();
        range.selectNodeContents(source);
        const selection = getSelection();
        selection.removeAllRanges();
        selection.addRange(range);
        document.execCommand("copy");
      }
      button.classList.add("done");
      copied.textContent = "Copied";
      setTimeout(() => { button.classList.remove("done"); copied.textContent = ""; }, 2000);
    });
  }

  // For browsers that print closed details as closed: the style sheet opens them where it can.
  const opened = [];
  addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("details:not([open])")) {
      details.open = true;
      opened.push(details);
    }
  });
  addEventListener("afterprint", () => { while (opened.length) opened.pop().open = false; });

  const packed = document.getElementById("plotly-gzip");
  if (!packed || !("DecompressionStream" in window)) return;
  let specs;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const fine = matchMedia("(pointer: fine)").matches;
  const drawn = new Map();
  let ready;

  // Base 85 as in RFC 1924: five characters for four bytes.
  const digits = new Map([..."0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"]
    .map((c, i) => [c.charCodeAt(0), i]));
  const unpack = (element) => {
    const text = element.textContent.trim();
    const spare = (5 - text.length % 5) % 5;
    const bytes = new Uint8Array((text.length + spare) / 5 * 4);
    const view = new DataView(bytes.buffer);
    for (let i = 0, at = 0; i < text.length; i += 5, at += 4) {
      let value = 0;
      for (let k = i; k < i + 5; k++) value = value * 85 + (k < text.length ? digits.get(text.charCodeAt(k)) : 84);
      view.setUint32(at, value);
    }
    const held = bytes.subarray(0, bytes.length - spare);
    return new Response(new Blob([held]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  };

  const inflate = async () => {
    const script = document.createElement("script");
    script.textContent = await unpack(packed);
    document.head.append(script);
    script.remove();
  };

  const coloured = (value, style) => {
    if (typeof value === "string") {
      const found = /^var\((--[\w-]+)\)$/.exec(value);
      return found ? style.getPropertyValue(found[1]).trim() : value;
    }
    if (Array.isArray(value)) return value.map((v) => coloured(v, style));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, coloured(v, style)]));
    }
    return value;
  };

  // A shadow root keeps Plotly's own text out of the page's: readers without scripts and with them read the same.
  const draw = async (host) => {
    ready ??= inflate();
    await ready;
    let plot = drawn.get(host);
    if (!plot) {
      const holder = document.createElement("div");
      holder.className = "live";
      holder.setAttribute("aria-hidden", "true");
      host.append(holder);
      const root = holder.attachShadow({ mode: "open" });
      const sheet = new CSSStyleSheet();
      const own = document.getElementById("plotly.js-style-global");
      sheet.replaceSync(own ? [...own.sheet.cssRules].map((r) => r.cssText).join("") : "");
      root.adoptedStyleSheets = [sheet];
      plot = document.createElement("div");
      root.append(plot);
      drawn.set(host, plot);
    }
    const spec = coloured(specs[host.id], getComputedStyle(document.documentElement));
    spec.layout.dragmode = fine ? "zoom" : false;
    await Plotly.react(plot, spec.data, spec.layout, {
      displayModeBar: false, responsive: true, doubleClick: "reset", showTips: false,
    });
    host.classList.add("is-live");
  };

  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) {
        watcher.unobserve(entry.target);
        draw(entry.target);
      }
    }
  }, { rootMargin: "300px" });
  addEventListener("load", () => setTimeout(async () => {
    specs = JSON.parse(await unpack(document.getElementById("figures-gzip")));
    for (const id of Object.keys(specs)) watcher.observe(document.getElementById(id));
  }, 0));
  dark.addEventListener("change", () => { for (const host of drawn.keys()) draw(host); });
})();
