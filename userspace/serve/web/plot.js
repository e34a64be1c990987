/* SPDX-License-Identifier: MIT */
/*
 * plot - small multiples over one shared time axis, as SVG: a line for each figure, gaps where nothing is known, marks
 * for what happened, one cursor through all of them (pointer or arrow keys) with the values in the legends.
 *
 * Data as /api/v1/series gives it: {step, end, series: [{name, unit, plot, title, values}], marks: [{at, kind, text}]}.
 */
"use strict";

const Plot = (() => {
	const HEIGHT = 132, LEFT = 68, RIGHT = 8, TOP = 8, BOTTOM = 20;
	const GAP = 12, NARROWEST = 432, FRAME = 26; /* of .plots and .plot in style.css */
	const UNITS = ["s", "%", "/s", "B/s", "x"]; /* short enough for an axis */
	const SVG = "http://www.w3.org/2000/svg";

	const svg = (name, attributes, ...children) => {
		const made = document.createElementNS(SVG, name);
		for (const [key, value] of Object.entries(attributes))
			made.setAttribute(key, value);
		made.append(...children);
		return made;
	};

	/* The top of the scale: 1, 2 or 5 times a power of ten; durations end at what people count in. */
	const ceiling = (value, unit) => {
		if (!(value > 0))
			return unit === "%" ? 100 : 1;
		if (unit === "%" && value > 50)
			return 100;
		const power = 10 ** Math.floor(Math.log10(value));
		return [1, 2, 5, 10].map((n) => n * power).find((top) => top >= value * 0.999999);
	};

	/* Shares close to all are looked at from near: the bottom of the scale. */
	const floor = (lowest, unit) => unit === "%" && lowest > 50 ? (lowest > 99 ? 99 : lowest > 90 ? 90 : 50) : 0;

	/* As wide as it will be shown, so that texts have their true size. */
	const widthIn = (place) => {
		const columns = Math.max(1, Math.floor((place.clientWidth + GAP) / (NARROWEST + GAP)));
		return Math.max(240, Math.floor((place.clientWidth - GAP * (columns - 1)) / columns) - FRAME);
	};

	const known = (values) => values.filter((value) => value !== null);

	/* A path with a gap where a value is missing; a lone point shows as a dot. */
	const path = (values, x, y) => {
		let text = "", open = false;
		values.forEach((value, i) => {
			if (value === null) {
				open = false;
				return;
			}
			text += `${open ? "L" : "M"}${x(i).toFixed(1)} ${y(value).toFixed(1)}`;
			if (!open && (values[i + 1] === null || values[i + 1] === undefined))
				text += "h.1";
			open = true;
		});
		return text;
	};

	const timeTicks = (start, end, most) => {
		const steps = [60, 300, 600, 900, 1800, 3600, 7200, 14400, 21600];
		const step = steps.find((s) => (end - start) / s <= most) || 21600;
		const offset = new Date(end * 1000).getTimezoneOffset() * 60;
		const ticks = [];
		for (let at = Math.ceil((start - offset) / step) * step + offset; at <= end; at += step)
			ticks.push(at);
		return ticks;
	};

	const axes = (scale, data) => {
		const group = svg("g", { class: "axes" });
		for (const share of [0, 0.5, 1]) {
			const value = scale.bottom + (scale.top - scale.bottom) * share, y = scale.y(value);
			group.append(svg("line", { x1: LEFT, x2: data.width - RIGHT, y1: y, y2: y }),
				svg("text", { x: LEFT - 6, y: y + 4, "text-anchor": "end" }, Format.quantity(value, UNITS.includes(scale.unit) ? scale.unit : "")));
		}
		for (const at of timeTicks(data.start, data.end, data.width / 75)) {
			const x = scale.time(at);
			group.append(svg("line", { x1: x, x2: x, y1: TOP, y2: HEIGHT - BOTTOM, class: "tick" }));
			if (x > LEFT + 14 && x < data.width - RIGHT - 14)
				group.append(svg("text", { x, y: HEIGHT - 5, "text-anchor": "middle" },
					Format.clock(at).split(" ").pop()));
		}
		return group;
	};

	const marks = (scale, data) => {
		const group = svg("g", { class: "marks" });
		for (const mark of data.marks || []) {
			if (mark.at < data.start || mark.at > data.end)
				continue;
			const x = scale.time(mark.at), what = mark.kind === "verdict" ? `verdict: ${mark.text}` : mark.text;
			group.append(svg("g", { class: `mark ${mark.kind} ${mark.text.replace(/ /g, "-")}` },
				svg("title", {}, `${Format.clock(mark.at, true)} ${what}`),
				svg("line", { x1: x, x2: x, y1: TOP, y2: HEIGHT - BOTTOM }),
				svg("path", { d: `M${x} ${TOP}l4 -7h-8z` })));
		}
		return group;
	};

	const scaleOf = (columns, data) => {
		const values = columns.flatMap((column) => known(column.values));
		const unit = columns[0].unit, top = ceiling(Math.max(0, ...values), unit);
		const bottom = values.length ? floor(Math.min(...values), unit) : 0;
		const height = HEIGHT - TOP - BOTTOM, width = data.width - LEFT - RIGHT;
		return { unit, top, bottom,
			y: (value) => TOP + height * (1 - (value - bottom) / (top - bottom)),
			x: (i) => LEFT + width * (i + 1) / columns[0].values.length,
			time: (at) => LEFT + width * (at - data.start) / (data.end - data.start) };
	};

	const legend = (columns) => Dom.element("ul", { class: "legend" }, ...columns.map((column, i) =>
		Dom.element("li", { class: `c${i + 1}` }, Dom.element("span", { class: "swatch", "aria-hidden": "true" }),
			`${column.title} `, Dom.element("b", {}))));

	const summary = (title, columns) => `${title}, newest: ` + columns.map((column) =>
		`${column.title} ${Format.quantity(known(column.values).pop(), column.unit)}`).join("; ");

	/* One figure; returns {node, show(i)}, i the index of a point, null for the newest. */
	const figure = (title, columns, data) => {
		const scale = scaleOf(columns, data), list = legend(columns);
		const cursor = svg("line", { class: "cursor", y1: TOP, y2: HEIGHT - BOTTOM, x1: -9, x2: -9 });
		const picture = svg("svg", { viewBox: `0 0 ${data.width} ${HEIGHT}`, role: "img", "aria-label": summary(title, columns) },
			axes(scale, data), ...columns.map((column, i) =>
				svg("path", { class: `line c${i + 1}`, d: path(column.values, scale.x, scale.y) })),
			marks(scale, data), cursor);
		const node = Dom.element("figure", { class: "plot" }, Dom.element("figcaption", {}, title), list, picture);
		const show = (i) => {
			const x = i === null ? -9 : scale.x(i);
			cursor.setAttribute("x1", x);
			cursor.setAttribute("x2", x);
			columns.forEach((column, c) => Dom.setText(list.children[c].lastChild, Format.quantity(
				i === null ? known(column.values).pop() : column.values[i], column.unit)));
		};
		const indexAt = (clientX) => {
			const box = picture.getBoundingClientRect(), n = columns[0].values.length;
			const share = ((clientX - box.left) / box.width * data.width - LEFT) / (data.width - LEFT - RIGHT);
			return Math.min(n - 1, Math.max(0, Math.round(share * n) - 1));
		};
		show(null);
		return { node, show, indexAt };
	};

	const grouped = (series) => {
		const plots = new Map();
		for (const column of series.filter((one) => one.plot))
			plots.set(column.plot, [...plots.get(column.plot) || [], column]);
		return plots;
	};

	/*
	 * Draws all plots of the data into `place`, which keeps its focus and its cursor from one drawing to the next.
	 * titles: {plot: heading}; a plot without one is headed by its name.
	 */
	const draw = (place, data, titles) => {
		const count = data.series.length ? data.series[0].values.length : 0;
		data.start = data.end - count * data.step;
		data.width = widthIn(place);
		if (!count || !data.end) {
			place.replaceChildren(Dom.element("p", { class: "soft" }, "Nothing recorded yet."));
			return;
		}
		const figures = [...grouped(data.series)].map(([plot, columns]) => figure(titles[plot] || plot, columns, data));
		const when = Dom.element("p", { class: "when soft", "aria-live": "polite" });
		let at = place.cursor === undefined ? null : place.cursor;
		const show = (i) => {
			at = place.cursor = i === null ? null : Math.min(count - 1, Math.max(0, i));
			figures.forEach((one) => one.show(at));
			Dom.setText(when, at === null ? "newest values; point at a plot, or use the arrow keys, for earlier ones"
				: `at ${Format.clock(data.start + (at + 1) * data.step, true)}`);
		};
		for (const one of figures) {
			one.node.addEventListener("pointermove", (event) => show(one.indexAt(event.clientX)));
			one.node.addEventListener("pointerleave", () => show(null));
		}
		place.onkeydown = (event) => {
			const move = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[event.key];
			if (move) {
				show((at === null ? count - 1 : at) + move);
				event.preventDefault();
			} else if (event.key === "Escape") {
				show(null);
			}
		};
		place.replaceChildren(when, Dom.element("div", { class: "plots" }, ...figures.map((one) => one.node)));
		show(at);
	};

	return { draw };
})();
