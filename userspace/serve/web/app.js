/* SPDX-License-Identifier: MIT */
/*
 * app - what is shown (the address after #), and where its data comes from: pushed every second by /api/v1/stream, or
 * asked for every two seconds while that does not work. Plots and statements are asked for when they are due.
 */
"use strict";

(() => {
	const POLL_MS = 2000, STREAM_PATIENCE_MS = 5000, STATEMENTS_MS = 5000, CLASS_MS = 10000;
	const SERIES_MS = { "5m": 2000, "1h": 10000, "24h": 60000 };

	const state = { status: null, cluster: null, statements: null, route: {}, range: "1h", built: "" };
	let source = null, heard = 0, asking = false;
	const due = { series: 0, statements: 0, class: 0, poll: 0 };

	const main = document.getElementById("main");
	const get = async (path) => {
		const answer = await fetch(path, { cache: "no-store" });
		if (!answer.ok)
			throw new Error(`${path}: ${answer.status}`);
		return answer.json();
	};
	const query = () => `cluster=${encodeURIComponent(state.route.cluster)}`;

	/* ------------------------------------------------------------------------------------------- routes */

	/* #/ , #/c/NAME , #/c/NAME/statements , #/c/NAME/s/FINGERPRINT; with one cluster #/ is that cluster's. */
	const parse = () => {
		const [, kind, name, part, fingerprint] = location.hash.slice(1).split("/");
		const clusters = state.status ? state.status.clusters : [];
		if (kind === "c" && name)
			return { cluster: decodeURIComponent(name), part, fingerprint };
		return clusters.length === 1 ? { cluster: clusters[0].name } : {};
	};

	const build = () => {
		const { cluster, part, fingerprint } = state.route;
		const wanted = [cluster || "", part === "s" ? fingerprint : "", state.status.clusters.length > 1].join("|");
		if (wanted === state.built)
			return;
		state.built = wanted;
		const headline = Dom.element("p", { id: "headline", role: "status" });
		if (part === "s") {
			main.replaceChildren(headline);
		} else if (cluster) {
			main.replaceChildren(headline, Cluster.view(cluster, state.range, state.status.clusters.length > 1));
			Statements.listen(() => Statements.update(state.statements));
			main.querySelector(".ranges").addEventListener("click", chooseRange);
		} else {
			main.replaceChildren(headline, Cluster.overview());
			document.getElementById("find-cluster").addEventListener("input", () => Cluster.updateOverview(state.status));
		}
	};

	const navigate = () => {
		if (!state.status)
			return;
		const before = state.route.cluster;
		state.route = parse();
		if (before !== state.route.cluster) {
			state.cluster = state.statements = null;
			listen();
		}
		due.series = due.statements = due.class = 0;
		render();
		if (state.route.part === "statements")
			document.getElementById("statements-section").scrollIntoView();
		else
			window.scrollTo(0, 0);
		ask();
	};

	const chooseRange = (event) => {
		const button = event.target.closest("button[data-range]");
		if (!button)
			return;
		state.range = button.dataset.range;
		for (const one of button.parentElement.children)
			one.setAttribute("aria-pressed", String(one === button));
		due.series = 0;
		ask();
	};

	/* ------------------------------------------------------------------------------------------- drawing */

	const missing = () => {
		if (!state.status.clusters.some((one) => one.name === state.route.cluster))
			main.replaceChildren(Dom.element("p", { id: "headline", class: "headline open" }, `There is no cluster ${state.route.cluster}.`));
	};

	const render = () => {
		if (document.hidden || !state.status)
			return;
		build();
		if (!document.getElementById("headline"))
			return;
		const { cluster, part } = state.route;
		const summary = cluster && state.status.clusters.find((one) => one.name === cluster);
		if (cluster && !summary) {
			missing();
			return;
		}
		Cluster.headline(state.status, summary);
		if (!cluster)
			Cluster.updateOverview(state.status);
		else if (part !== "s" && state.cluster)
			Cluster.update(state.cluster);
		Dom.setText(document.getElementById("version"), `Version ${state.status.version}, ${state.status.attach_mode || "not attached"}`);
	};

	const say = (text, bad) => {
		const node = document.getElementById("connection");
		Dom.setText(node, text);
		Dom.setClass(node, bad ? "bad" : "");
	};

	/* ---------------------------------------------------------------------------------------------- data */

	const take = (status, cluster) => {
		const first = !state.status;
		state.status = status || state.status;
		if (cluster && cluster.name === state.route.cluster)
			state.cluster = cluster;
		say(`live, ${Format.clock(state.status.now, true)}`, false);
		if (first)
			navigate();
		else
			render();
	};

	/* The snapshot may not have the cluster yet, or not any more: then only the status is pushed. */
	const listen = () => {
		if (source)
			source.close();
		source = new EventSource(`/api/v1/stream${state.route.cluster ? `?${query()}` : ""}`);
		source.addEventListener("status", (event) => {
			heard = Date.now();
			take(JSON.parse(event.data), null);
		});
		source.addEventListener("cluster", (event) => take(null, JSON.parse(event.data)));
	};

	const askSeries = async () => {
		const place = document.getElementById("plots");
		if (place)
			Plot.draw(place, await get(`/api/v1/series?${query()}&range=${state.range}`), Cluster.PLOTS);
	};

	const askStatements = async () => {
		state.statements = await get(`/api/v1/statements?${query()}&limit=1024`);
		Statements.update(state.statements);
	};

	const askClass = async () => {
		const { fingerprint } = state.route;
		try {
			const one = await get(`/api/v1/statement?${query()}&fingerprint=${fingerprint}`);
			if (state.route.fingerprint !== fingerprint)
				return;
			if (!document.getElementById("class"))
				main.append(Statements.page(one));
			Statements.updatePage(one);
		} catch (error) {
			if (!document.getElementById("class"))
				main.append(Dom.element("p", {}, "This statement class is not known, or not any more. ",
					Dom.element("a", { href: Cluster.hrefOf(state.route.cluster) }, "Back to the cluster")));
			throw error;
		}
	};

	const poll = async () => {
		take(await get("/api/v1/status"), null);
		if (state.route.cluster)
			take(null, await get(`/api/v1/cluster?${query()}`));
	};

	/* The parts of this view that are due, each with its own pace. */
	const jobs = () => {
		const now = Date.now(), list = [];
		const add = (key, pace, job) => {
			if (now < due[key])
				return;
			due[key] = now + pace;
			list.push(job);
		};
		if (now - heard > STREAM_PATIENCE_MS)
			add("poll", POLL_MS, poll);
		if (state.route.part === "s")
			add("class", CLASS_MS, askClass);
		else if (state.status && state.status.clusters.some((one) => one.name === state.route.cluster)) {
			add("series", SERIES_MS[state.range], askSeries);
			add("statements", STATEMENTS_MS, askStatements);
		}
		return list;
	};

	const ask = async () => {
		if (asking || document.hidden)
			return;
		asking = true;
		for (const job of jobs()) {
			try {
				await job();
			} catch (error) {
				if (job === poll)
					say(`no answer since ${heard ? Format.clock(heard / 1000, true) : "the page was opened"}`, true);
			}
		}
		asking = false;
	};

	window.addEventListener("hashchange", navigate);
	document.addEventListener("visibilitychange", () => { render(); ask(); });
	window.setInterval(ask, 500);
	heard = Date.now() - STREAM_PATIENCE_MS + 1000;
	listen();
})();
