/* SPDX-License-Identifier: MIT */
/* statements - all statement classes of a cluster: searched, sorted, filtered; and the page of one of them. */
"use strict";

const Statements = (() => {
	const { element, setText, setChildren, rows } = Dom;
	const state = { sort: "harm", down: true, search: "", filter: "all" };

	const seconds = (value) => Format.quantity(value, "s");
	const number = (value) => Format.quantity(value);

	/* [key, heading, value to sort by, text] */
	const COLUMNS = [
		["calls_primary", "Calls primary", (s) => s.primary.calls, number],
		["calls_mirror", "mirror", (s) => s.mirror.calls, number],
		["errors_primary", "Errors primary", (s) => s.primary.errors, number],
		["errors_mirror", "mirror", (s) => s.mirror.errors, number],
		["rows_primary", "Rows primary", (s) => s.primary.rows, number],
		["rows_mirror", "mirror", (s) => s.mirror.rows, number],
		["mean_primary", "Mean primary", (s) => s.primary.mean, seconds],
		["mean_mirror", "mirror", (s) => s.mirror.mean, seconds],
		["p95_primary", "p95 primary", (s) => s.primary.p95, seconds],
		["p95_mirror", "mirror", (s) => s.mirror.p95, seconds],
		["ratio", "Ratio", (s) => s.ratio, (value) => Format.quantity(value, "x")],
		["differences", "Differ", (s) => s.differences, number],
	];
	const FILTERS = [["all", "all"], ["way", "in the way"], ["errors", "with errors on the mirror"], ["slower", "slower on the mirror"]];

	const section = () => element("section", { "aria-labelledby": "statements-heading", id: "statements-section", tabindex: "-1" },
		element("div", { class: "heading" }, element("h2", { id: "statements-heading" }, "Statements"), element("p", { class: "soft", id: "classes" })),
		element("p", { class: "tools" },
			element("label", {}, "Search ", element("input", { type: "search", id: "search", value: state.search, autocomplete: "off" })),
			element("label", {}, "Show ", element("select", { id: "filter" }, ...FILTERS.map(([key, text]) =>
				element("option", { value: key, selected: key === state.filter }, text))))),
		element("div", { class: "wide", tabindex: "0", role: "region", "aria-labelledby": "statements-title" },
			element("table", { id: "statements" }, element("caption", { class: "hidden", id: "statements-title" }, "Statement classes"),
				element("thead", {}, element("tr", {}, element("th", { scope: "col", "data-sort": "harm" },
					element("button", { type: "button" }, "Statement")), ...COLUMNS.map(([key, text]) =>
					element("th", { scope: "col", class: "n", "data-sort": key }, element("button", { type: "button",
						"aria-label": text === "mirror" ? key.replace("_", " on the ") : null }, text))))),
				element("tbody", {}))));

	const passes = (one) => {
		const filter = { all: true, way: one.reason && !one.ignored, errors: one.mirror.errors > 0, slower: one.ratio > 1.5 }[state.filter];
		return filter && (!state.search || `${one.text} ${one.reason} ${one.fingerprint}`.toLowerCase().includes(state.search.toLowerCase()));
	};

	/* The server's order is by harm; null (nothing known) stays last either way. */
	const sorted = (list) => {
		const column = COLUMNS.find(([key]) => key === state.sort);
		if (!column)
			return state.down ? list : [...list].reverse();
		return [...list].sort((a, b) => {
			const x = column[2](a), y = column[2](b);
			if (x === null || y === null)
				return (x === null) - (y === null);
			return state.down ? y - x : x - y;
		});
	};

	const statementCell = (td, one, cluster) => {
		setChildren(td, "statement", () => [
			element("a", { href: `${Cluster.hrefOf(cluster)}/s/${one.fingerprint}`, title: one.text },
				element("code", {}, one.text.length > 160 ? `${one.text.slice(0, 160)}…` : one.text)), element("span", {})]);
		setText(td.lastChild, one.reason + (one.reason && one.ignored ? " (ignored)" : ""));
		Dom.setClass(td.lastChild, one.ignored ? "soft" : "why");
	};

	const update = (data) => {
		const body = document.querySelector("#statements tbody");
		if (!body || !data)
			return;
		const shown = sorted(data.statements.filter(passes));
		rows(body, shown, (one) => one.fingerprint, [
			{ heading: true, class: "statement", label: "Statement", cell: (td, one) => statementCell(td, one, data.cluster) },
			...COLUMNS.map(([key, , value, text]) => ({ class: "n", label: key.replace("_", " "), cell: (td, one) => setText(td, text(value(one))) })),
		]);
		setText(document.getElementById("classes"), `${shown.length} of ${data.classes} classes` +
			(data.classes > data.statements.length ? `, the ${data.statements.length} most in the way are loaded` : ""));
		for (const th of document.querySelectorAll("#statements th[data-sort]"))
			th.setAttribute("aria-sort", th.dataset.sort === state.sort ? (state.down ? "descending" : "ascending") : "none");
	};

	const listen = (redraw) => {
		document.getElementById("search").addEventListener("input", (event) => {
			state.search = event.target.value;
			redraw();
		});
		document.getElementById("filter").addEventListener("change", (event) => {
			state.filter = event.target.value;
			redraw();
		});
		document.querySelector("#statements thead").addEventListener("click", (event) => {
			const th = event.target.closest("th[data-sort]");
			if (!th)
				return;
			state.down = state.sort === th.dataset.sort ? !state.down : true;
			state.sort = th.dataset.sort;
			redraw();
		});
	};

	/* ------------------------------------------------------------------------------------------ one class */

	const FIGURES = [["Calls", "calls", number], ["Compared answers", "answers", number], ["Errors", "errors", number], ["Rows", "rows", number],
		["Mean time", "mean", seconds], ["95th percentile", "p95", seconds]];
	const PLOTS = { calls: "Calls", errors: "Errors", time: "Mean time" };

	const sqlstates = (side) => Object.entries(side.sqlstates).map(([code, n]) => `${code} ×${number(n)}`).join(", ") || "none";

	const page = (one) => element("div", { class: "class" },
		element("p", { class: "crumbs" }, element("a", { href: Cluster.hrefOf(one.cluster) }, one.cluster), ` / ${one.fingerprint}`),
		element("h2", { class: "hidden" }, "Statement class"),
		element("pre", { tabindex: "0", "aria-label": "Statement" }, element("code", {}, one.text)),
		element("p", { class: "why", id: "why" }),
		element("div", { class: "wide", tabindex: "0", role: "region", "aria-labelledby": "class-title" },
			element("table", { id: "class" }, element("caption", { class: "hidden", id: "class-title" }, "Figures of both sides"),
				element("thead", {}, element("tr", {}, ...["Figure", "Primary", "Mirror"].map((text, i) =>
					element("th", { scope: "col", class: i ? "n" : "" }, text)))), element("tbody", {}))),
		element("h2", {}, "The last hour"),
		element("div", { id: "class-plots", tabindex: "0", role: "group", "aria-label": "Plots; arrow keys move through time" }));

	const updatePage = (one) => {
		setText(document.getElementById("why"), one.reason ? one.reason + (one.ignored ? " (ignored by the configuration)" : "") : "");
		const items = FIGURES.map(([title, key, text]) => ({ title, primary: text(one.primary[key]), mirror: text(one.mirror[key]) }));
		items.push({ title: "SQLSTATEs", primary: sqlstates(one.primary), mirror: sqlstates(one.mirror) });
		items.push({ title: "Differences by kind", primary: "", mirror: Object.entries(one.by_kind).filter(([, n]) => n)
			.map(([kind, n]) => `${kind} ×${number(n)}`).join(", ") || "none" });
		rows(document.querySelector("#class tbody"), items, (item) => item.title, [
			{ heading: true, label: "Figure", cell: (td, item) => setText(td, item.title) },
			{ class: "n", label: "Primary", cell: (td, item) => setText(td, item.primary) },
			{ class: "n", label: "Mirror", cell: (td, item) => setText(td, item.mirror) },
		]);
		Plot.draw(document.getElementById("class-plots"), one, PLOTS);
	};

	return { section, update, listen, page, updatePage };
})();
