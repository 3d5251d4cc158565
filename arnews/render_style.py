"""The style sheet of the HTML views. Takes and knows nothing."""

PAGE_STYLE = """
.arnews{--bg:#fff;--fg:#1c1c1c;--dim:#666;--line:#ddd;--hit:#ffe58a;--name:#d8e8fb;--place:#d9f2dd;--thing:#eadcf7;
--time:#fbeccb;--number:#dfe4ee;--other:#e8e8e8;background:var(--bg);color:var(--fg);
font:17px/2.3 "Noto Naskh Arabic","Noto Sans Arabic","Geeza Pro","Segoe UI",Tahoma,sans-serif}
@media(prefers-color-scheme:dark){.arnews{--bg:#15171a;--fg:#e8e8e8;--dim:#a5a5a5;--line:#383c42;--hit:#6b5a12;
--name:#1d3a5c;--place:#1d4527;--thing:#432a5c;--time:#54420f;--number:#343c4d;--other:#3d3d3d}}
body.arnews{margin:0 auto;padding:1em;max-width:76em}
.arnews h2{font-size:1em;color:var(--dim);border-bottom:1px solid var(--line);font-weight:normal}
.arnews .both{display:grid;grid-template-columns:minmax(0,2fr) minmax(0,1fr);gap:2em}
.arnews .text{margin:0;overflow-wrap:anywhere}
.arnews .e{border-radius:.3em;padding:.1em .25em;background:var(--other);box-decoration-break:clone;
-webkit-box-decoration-break:clone}
.arnews .e .e{outline:1px solid var(--bg)}
.arnews .name{background:var(--name)}.arnews .place{background:var(--place)}.arnews .thing{background:var(--thing)}
.arnews .time{background:var(--time)}.arnews .number{background:var(--number)}
.arnews .l{font:.55em/1 system-ui,sans-serif;color:var(--dim);margin:0 .35em;vertical-align:.15em}
.arnews .t{font-weight:bold;border-bottom:2px solid #c0392b}
.arnews .t.planned{border-bottom-style:dashed}.arnews .t.possible{border-bottom-style:dotted}
.arnews .t.negated{border-bottom-style:double;text-decoration:line-through}
.arnews .legend{font-size:.75em;line-height:2.2}
.arnews .events{font-size:.85em;line-height:1.8;border-inline-start:1px solid var(--line);margin:0;
padding-inline-start:2.6em}
.arnews .events>li:hover{background:var(--hit)}
.arnews .events ul{display:inline;margin:0;padding:0}
.arnews .events ul li{display:inline-block;margin-inline-start:.7em}
.arnews .k,.arnews .m,.arnews .r{font:.75em/1 system-ui,sans-serif;color:var(--dim)}
.arnews .k{font-weight:bold}
@media(max-width:46em){.arnews .both{grid-template-columns:minmax(0,1fr)}}
@media print{.arnews .both{grid-template-columns:minmax(0,1fr)}}
"""
