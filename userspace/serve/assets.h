/* SPDX-License-Identifier: MIT */
/*
 * assets - the files of serve/web/, part of the program: NUL-terminated texts, made by the build out of the
 * files of the same name (`.` becomes `_`).
 */
#ifndef MO_ASSETS_H
#define MO_ASSETS_H

extern const char asset_index_html[];
extern const char asset_style_css[];
extern const char asset_format_js[];
extern const char asset_dom_js[];
extern const char asset_plot_js[];
extern const char asset_cluster_js[];
extern const char asset_statements_js[];
extern const char asset_app_js[];
extern const char asset_icon_svg[];
extern const char asset_openapi_json[];

#endif
