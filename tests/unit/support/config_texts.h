/* SPDX-License-Identifier: MIT */
/* config_texts - configurations in their shortest form, for tests to add to. */
#ifndef MO_CONFIG_TEXTS_H
#define MO_CONFIG_TEXTS_H

#define PROXY "proxy: {comm: p}\n"
/* Two clusters that share a primary, with these mirrors. */
#define TWO(a, b)                                                                        \
	PROXY "clusters:\n- {name: a, primary: {address: '1.0.0.1:1'}, mirror: " a "}\n" \
	      "- {name: b, primary: {address: '1.0.0.1:1'}, mirror: " b "}\n"
/* One cluster; extra continues its mapping where indented by two, else the file. */
#define ONE(extra)                                                                            \
	PROXY "clusters:\n- name: a\n  primary: {address: '1.0.0.1:1'}\n  mirror: {address: " \
	      "'1.0.0.2:1'}\n" extra

#endif
