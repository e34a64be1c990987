/* SPDX-License-Identifier: MIT */
/* dom - elements, texts with links, and tables whose rows stay where they are while their cells change, so that
 * neither focus nor selection is lost by an update. */
"use strict";

const Dom = (() => {
	/* element("td", {class: "n"}, "text", child, ...) */
	const element = (name, attributes, ...children) => {
		const made = document.createElement(name);
		for (const [key, value] of Object.entries(attributes || {}))
			if (value !== null && value !== undefined && value !== false)
				made.setAttribute(key, value === true ? "" : value);
		made.append(...children.filter((child) => child !== null && child !== undefined));
		return made;
	};

	const setText = (node, text) => {
		if (node.textContent !== text)
			node.textContent = text;
	};

	const setClass = (node, name) => {
		if (node.className !== name)
			node.className = name;
	};

	/* Children only when they differ from what is there; key stands for their content. What has the focus waits until it
	 * has gone elsewhere. */
	const setChildren = (node, key, make) => {
		if (node.dataset.key === key || (node !== document.activeElement && node.contains(document.activeElement)))
			return;
		node.dataset.key = key;
		node.replaceChildren(...make());
	};

	const NAMED = /(\/statements\b|\/readiness\b|\b(?:pgdog_mirror|mirror_observer)_[a-z0-9_]+\b)/;

	/* What a text names is a link: statements of this cluster, readiness, metrics. */
	const linked = (text, cluster) => text.split(NAMED).filter((part) => part).map((part) => {
		if (part === "/statements")
			return element("a", { href: `#/c/${encodeURIComponent(cluster)}/statements` }, "the statements");
		if (part === "/readiness")
			return element("a", { href: "/readiness" }, part);
		if (NAMED.test(part))
			return element("a", { href: `/metrics#:~:text=${part}` }, part);
		return document.createTextNode(part);
	});

	/*
	 * A table body: rows by key, in the order given. columns: [{key, cell(td, item)}]; cell fills its td anew each time.
	 */
	const rows = (body, items, keyOf, columns) => {
		const known = new Map([...body.children].map((row) => [row.dataset.row, row]));
		let at = body.firstElementChild;
		for (const item of items) {
			const key = keyOf(item);
			let row = known.get(key);
			known.delete(key);
			if (!row) {
				row = element("tr", { "data-row": key });
				for (const column of columns)
					row.append(element(column.heading ? "th" : "td", {
						class: column.class, scope: column.heading ? "row" : null, "data-label": column.label }));
			}
			if (row !== at)
				body.insertBefore(row, at);
			at = row.nextElementSibling;
			columns.forEach((column, i) => column.cell(row.children[i], item));
		}
		for (const row of known.values())
			row.remove();
	};

	return { element, setText, setClass, setChildren, linked, rows };
})();
