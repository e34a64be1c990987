/* SPDX-License-Identifier: MIT */
/* format - numbers as base/quantity.c writes them; tests/unit/base/quantities.txt holds both to the same table. */
"use strict";

const Format = (() => {
	/* Fixed notation, without zeros at the end. */
	const fixed = (value, decimals) => {
		const text = value.toFixed(decimals);
		return text.includes(".") ? text.replace(/0+$/, "").replace(/\.$/, "") : text;
	};

	const threeDigits = (value) => {
		const size = Math.abs(value);
		return fixed(value, size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : size >= 0.1 ? 3 : size >= 0.01 ? 4 : 5);
	};

	const SCALE = [[1e-4, 1e-6, "µs"], [1, 1e-3, "ms"], [120, 1, "s"], [7200, 60, "min"], [172800, 3600, "h"],
		[Infinity, 86400, "d"]];

	const duration = (s) => {
		if (s === 0)
			return "0 s";
		const [, size, unit] = SCALE.find(([below]) => Math.abs(s) < below);
		return `${threeDigits(s / size)} ${unit}`;
	};

	const percent = (value) => {
		let decimals = 2, text = fixed(value, decimals);
		while (decimals < 5 && ((value > 0 && text === "0") || (value < 100 && text === "100")))
			text = fixed(value, ++decimals);
		if (value > 0 && text === "0")
			text = "<0.00001";
		else if (value < 100 && text === "100")
			text = ">99.99999";
		return `${text} %`;
	};

	const scaled = (value) => {
		const letters = ["", "k", "M", "G", "T", "P", "E"];
		let i = 0;
		for (; Math.abs(value) >= 999.5 && i + 1 < letters.length; i++)
			value /= 1000;
		return [threeDigits(value), letters[i]];
	};

	const count = (value, unit) => {
		let text;
		if (Math.abs(value) < 10000)
			text = Number.isInteger(value) ? String(value) : threeDigits(value);
		else
			text = scaled(value).filter((part) => part).join(" ");
		return unit ? `${text} ${unit}` : text;
	};

	const quantity = (value, unit) => {
		if (value === null || value === undefined || Number.isNaN(value))
			return "-";
		if (Math.abs(value) > 1e21)
			return value < 0 ? "-∞" : "∞";
		if (unit === "s")
			return duration(value);
		if (unit === "%")
			return percent(value);
		if (unit === "B") {
			const [text, letter] = scaled(value);
			return `${text} ${letter}B`;
		}
		return count(value, unit || "");
	};

	/* In the reader's own time zone: 14:02, with the day when it is not today's. */
	const clock = (unixSeconds, seconds) => {
		const at = new Date(unixSeconds * 1000), now = new Date();
		const two = (n) => String(n).padStart(2, "0");
		const time = `${two(at.getHours())}:${two(at.getMinutes())}` + (seconds ? `:${two(at.getSeconds())}` : "");
		return at.toDateString() === now.toDateString() ? time
			: `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${time}`;
	};

	return { quantity, clock };
})();
