/* SPDX-License-Identifier: MIT */
/* cluster - the overview of all clusters as cards, and the view of one: figures, plots, checks, connections. */
"use strict";

const Cluster = (() => {
	const { element, setText, setClass, setChildren, linked, rows } = Dom;

	const VERDICTS = { ready: ["ok", "Ready"], not_ready: ["bad", "Not ready"], insufficient_data: ["open", "Not enough seen"] };
	const CHECKS = { ready: ["ok", "passes"], not_ready: ["bad", "fails"], insufficient_data: ["open", "no evidence"] };
	const ORDER = ["not_ready", "insufficient_data", "ready"];

	const hrefOf = (name) => `#/c/${encodeURIComponent(name)}`;
	const since = (cluster) => cluster.since ? `, since ${Format.clock(cluster.since)}` : "";
	const worstFirst = (a, b) => ORDER.indexOf(a.verdict) - ORDER.indexOf(b.verdict);

	/* ---------------------------------------------------------------------------------------- headline */

	/* One sentence on top of everything: that of the cluster shown, or the worst. */
	const headline = (status, cluster) => {
		const node = document.getElementById("headline");
		const shown = cluster || [...status.clusters].sort(worstFirst)[0];
		let text = "No cluster is configured", name = "open";
		if (!status.observing) {
			text = `Not observing: ${status.why_not}`;
			name = "bad";
		} else if (shown) {
			const several = !cluster && status.clusters.length > 1;
			text = (several ? `${shown.name}: ` : "") + shown.sentence + since(shown);
			name = VERDICTS[shown.verdict][0];
		}
		setClass(node, `headline ${name}`);
		setText(node, text);
		const title = `${shown ? `${VERDICTS[shown.verdict][1]} \u2013 ` : ""}mirror-observer`;
		if (document.title !== title)
			document.title = title;
	};

	/* ------------------------------------------------------------------------------------------- cards */

	const CARD = [["success_rate", "success"], ["requests_per_second", "requests"], ["queue_depth", "queue"], ["lag_p99", "lag p99"]];

	const makeCard = (name) => {
		const card = element("li", { class: "card", "data-row": name },
			element("h2", {}, element("a", { href: hrefOf(name) }, name), element("span", { class: "tag" })),
			element("p", {}), element("dl", {}));
		for (const [, title] of CARD)
			card.lastChild.append(element("div", {}, element("dt", {}, title), element("dd", {})));
		return card;
	};

	const fillCard = (card, cluster) => {
		const [name, text] = VERDICTS[cluster.verdict];
		setClass(card, `card ${name}`);
		setClass(card.querySelector(".tag"), `tag ${name}`);
		setText(card.querySelector(".tag"), text);
		setText(card.children[1], cluster.sentence.replace(/^(Not ready|Not enough seen yet|Ready): /, ""));
		CARD.forEach(([key], i) => setText(card.lastChild.children[i].lastChild, cluster[key].text));
	};

	const overview = () => element("div", {}, element("h2", { class: "hidden" }, "Clusters"),
		element("p", { class: "tools" }, element("label", {}, "Find a cluster ",
			element("input", { type: "search", id: "find-cluster", autocomplete: "off" })), element("span", { class: "soft", id: "tally" })),
		element("ul", { class: "cards", id: "cards" }));

	const updateOverview = (status) => {
		const list = document.getElementById("cards"), wanted = document.getElementById("find-cluster").value.toLowerCase();
		const shown = status.clusters.filter((one) => one.name.toLowerCase().includes(wanted)).sort(worstFirst);
		const known = new Map([...list.children].map((card) => [card.dataset.row, card]));
		let at = list.firstElementChild;
		for (const cluster of shown) {
			const card = known.get(cluster.name) || makeCard(cluster.name);
			known.delete(cluster.name);
			fillCard(card, cluster);
			if (card !== at)
				list.insertBefore(card, at);
			at = card.nextElementSibling;
		}
		for (const card of known.values())
			card.remove();
		setText(document.getElementById("tally"), ORDER.map((verdict) =>
			`${status.clusters.filter((one) => one.verdict === verdict).length} ${VERDICTS[verdict][1].toLowerCase()}`).join(", "));
	};

	/* ------------------------------------------------------------------------------------------ figures */

	const sum = (set) => Object.values(set).reduce((a, b) => a + b, 0);

	const TILES = [
		["Success rate", (c) => c.success_rate.text, (c) => `${Format.quantity(c.requests.success)} of ${Format.quantity(c.requests.success + c.requests.failure)} requests`, "success_rate"],
		["Failures", (c) => Format.quantity(c.requests.failure), (c) => `connection ${Format.quantity(c.failures.connection)}, timeout ${Format.quantity(c.failures.timeout)}, query ${Format.quantity(c.failures.query_execution)}`, "failures"],
		["Statements", (c) => c.mirror_statements_per_second.text, (c) => `on the primary ${c.primary_statements_per_second.text}`, "statements"],
		["Queue depth", (c) => Format.quantity(c.queue_depth.value), () => "statements on their way", "queue_depth"],
		["Lag, 99th percentile", (c) => c.lag_p99.text, () => "of the last ten seconds", "lag"],
		["Outcome unknown", (c) => Format.quantity(c.requests.unknown), (c) => `${Format.quantity(sum(c.lost_bytes), "B")} not captured`, "unknown"],
	];

	const tiles = () => element("dl", { class: "tiles", id: "tiles" }, ...TILES.map(([title, , , key]) =>
		element("div", { "data-tile": key }, element("dt", {}, title), element("dd", { class: "figure" }), element("dd", { class: "soft" }))));

	const updateTiles = (cluster) => {
		const list = document.getElementById("tiles").children;
		TILES.forEach(([, figure, more], i) => {
			setText(list[i].children[1], figure(cluster));
			setText(list[i].children[2], more(cluster));
		});
	};

	/* ------------------------------------------------------------------------------------------- checks */

	const bar = (cell, progress) => {
		if (!progress) {
			cell.replaceChildren();
			delete cell.dataset.key;
			return;
		}
		setChildren(cell, "progress", () => [element("progress", { max: 1 }), element("span", {})]);
		const left = progress.left_text ? `, ${progress.left_text} left at this rate` : "";
		cell.firstChild.value = progress.share;
		if (cell.firstChild.getAttribute("aria-label") !== progress.text)
			cell.firstChild.setAttribute("aria-label", progress.text);
		setText(cell.lastChild, progress.text + left);
	};

	const checkColumns = (cluster) => [
		{ label: "Verdict", cell: (td, check) => {
			setChildren(td, check.verdict, () => [element("span", { class: `tag ${CHECKS[check.verdict][0]}` }, CHECKS[check.verdict][1])]);
		} },
		{ heading: true, label: "Check", cell: (td, check) => setText(td, check.name) },
		{ class: "n", label: "Value", cell: (td, check) => setText(td, check.value.text) },
		{ class: "n", label: "Wanted", cell: (td, check) => setText(td, `${check.compare === "at_least" ? "≥" : "≤"} ${check.wanted.text}`) },
		{ label: "Evidence", class: "progress", cell: (td, check) => bar(td, check.progress) },
		{ label: "Reason", class: "reason", cell: (td, check) => setChildren(td, check.reason, () => linked(check.reason, cluster.name)) },
	];

	const table = (id, caption, headings, extra) => element("div", { class: "wide", tabindex: "0", role: "region", "aria-labelledby": `${id}-title` },
		element("table", { id, class: extra || "" }, element("caption", { class: "hidden", id: `${id}-title` }, caption),
			element("thead", {}, element("tr", {}, ...headings.map(([text, name]) => element("th", { scope: "col", class: name || "" }, text)))),
			element("tbody", {})));

	const updateChecks = (cluster) => {
		const sorted = [...cluster.check_list].sort((a, b) => ORDER.indexOf(a.verdict) - ORDER.indexOf(b.verdict));
		rows(document.querySelector("#checks tbody"), sorted, (check) => check.name, checkColumns(cluster));
		setText(document.getElementById("passed"), `${cluster.passed} of ${cluster.checks} checks pass`);
	};

	/* -------------------------------------------------------------------------------------- connections */

	const STATES = ["plain", "encrypted", "resyncing"];

	const updateConnections = (cluster) => {
		const sides = ["primary", "mirror"].map((side) => ({ side, ...cluster[side] }));
		const known = STATES.concat(Object.keys(cluster.primary.connections).filter((state) => !STATES.includes(state)));
		const heading = document.querySelector("#connections thead tr");
		setChildren(heading, known.join(), () => ["Side", "Address", "Database", ...known, "SQLSTATEs"].map((text, i) =>
			element("th", { scope: "col", class: i > 2 && i < 3 + known.length ? "n" : "" }, text)));
		rows(document.querySelector("#connections tbody"), sides, (one) => one.side + known.join(), [
			{ heading: true, label: "Side", cell: (td, one) => setText(td, one.side) },
			{ label: "Address", cell: (td, one) => setText(td, one.addresses.join(", ")) },
			{ label: "Database", cell: (td, one) => setText(td, one.database || "any") },
			...known.map((state) => ({ class: "n", label: state, cell: (td, one) => setText(td, Format.quantity(one.connections[state])) })),
			{ label: "SQLSTATEs", cell: (td, one) => setText(td, Object.entries(one.errors).sort((a, b) => b[1] - a[1]).slice(0, 8)
				.map(([state, n]) => `${state} ×${Format.quantity(n)}`).join(", ") || "none") },
		]);
	};

	/* --------------------------------------------------------------------------------------------- view */

	const PLOTS = { requests: "Requests on the mirror", failures: "Failed requests by type", statements: "Statements",
		queue: "On the way to the mirror", lag: "Lag of the mirror", latency: "Time of a statement", coverage: "Coverage",
		losses: "Losses", connections: "Connections", delay: "Delay until answered", unanswered: "Unanswered" };
	const RANGES = [["5m", "5 minutes"], ["1h", "1 hour"], ["24h", "24 hours"]];

	const view = (name, range, several) => element("div", {},
		several ? element("p", { class: "crumbs" }, element("a", { href: "#/" }, "All clusters"), ` / ${name}`) : null,
		tiles(),
		element("section", { "aria-labelledby": "plots-title" },
			element("div", { class: "heading" }, element("h2", { id: "plots-title" }, "Over time"),
				element("div", { class: "ranges", role: "group", "aria-label": "Time shown" }, ...RANGES.map(([key, text]) =>
					element("button", { type: "button", "data-range": key, "aria-pressed": String(key === range) }, text)))),
			element("div", { id: "plots", tabindex: "0", role: "group", "aria-label": "Plots; arrow keys move through time" })),
		element("section", { "aria-labelledby": "checks-heading" },
			element("div", { class: "heading" }, element("h2", { id: "checks-heading" }, "Checks"), element("p", { class: "soft", id: "passed" })),
			table("checks", "Checks of the verdict", [["Verdict"], ["Check"], ["Value", "n"], ["Wanted", "n"], ["Evidence"], ["Reason"]])),
		Statements.section(),
		element("section", { "aria-labelledby": "connections-heading" }, element("h2", { id: "connections-heading" }, "Connections"),
			table("connections", "Backend connections by side and state", [])));

	const update = (cluster) => {
		updateTiles(cluster);
		updateChecks(cluster);
		updateConnections(cluster);
	};

	return { headline, overview, updateOverview, view, update, table, hrefOf, PLOTS };
})();
