"""The page's CSS: no class is used that is not here, no colour is said twice."""

from typing import Final

STYLE: Final = """
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#57606a;--page:#f3f5f7;--card:#fff;
--rule:#d8dee4;--good:#1a7f37;--near:#9a6700;--over:#c4242b;--unknown:#57606a;--note:#0969da;--track:#e7ebef;
--good-wash:#e6f4ea;--over-wash:#fdeaea;--note-wash:#e3f0ff}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9aa4af;--page:#0e1116;--card:#171c23;
--rule:#2d343d;--good:#4ac26b;--near:#e0a931;--over:#ff6b6b;--unknown:#9aa4af;--note:#6cb2ff;
--track:#2a313a;--good-wash:#12301c;--over-wash:#3b1719;--note-wash:#10263d}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font-variant-numeric:tabular-nums;
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",Arial,sans-serif}
main,.top{max-width:1080px;margin:0 auto;padding:0 20px}
header{background:var(--card);border-bottom:1px solid var(--rule);
border-top:6px solid var(--state);padding:14px 0 16px}
header.good,.admitting{--state:var(--good);--wash:var(--good-wash)}
header.near{--state:var(--near)}
header.over,.denying{--state:var(--over);--wash:var(--over-wash)}
header.unknown{--state:var(--unknown)}
h1{font-size:28px;line-height:1.2;color:var(--state);margin:0}
.brief{font-size:17px;margin:4px 0 0}
h2{font-size:16px;margin:0 0 8px;display:flex;align-items:center;gap:8px;flex-wrap:wrap}
p{margin:0 0 6px}
.where{display:flex;gap:10px;color:var(--soft);flex-wrap:wrap;margin-bottom:4px}
.where strong{color:var(--ink)}
.cluster{border-left:1px solid var(--rule);padding-left:10px}
.time{margin-left:auto}
main{padding-top:16px;padding-bottom:32px}
.notice{background:var(--note-wash);border-left:4px solid var(--note);border-radius:6px;
padding:10px 14px;margin-bottom:10px;overflow-wrap:anywhere}
.notice.bad{background:var(--over-wash);border-color:var(--over)}
section{margin-top:16px}
.tiers,.signals{display:grid;gap:16px;grid-template-columns:repeat(auto-fit,minmax(min(100%,320px),1fr))}
.signals{grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr))}
article,.changes,.actions,.facts{background:var(--card);border:1px solid var(--rule);
border-radius:8px;padding:14px 16px;overflow-wrap:anywhere;min-width:0}
.tier{border-top:4px solid var(--state);display:flex;flex-direction:column}
.tier table{margin-top:auto}
.state{background:var(--wash);color:var(--state);font-size:22px;font-weight:700;line-height:1.2;
border-radius:6px;padding:8px 12px;margin-bottom:10px}
.since,.members,.axis,.until{color:var(--soft)}
.until b{color:var(--ink)}
.until{margin-bottom:10px}
.tag{font-size:12px;font-weight:600;color:var(--soft);border:1px solid var(--rule);
border-radius:99px;padding:0 8px}
.tag.partial,.tag.unusable{color:var(--near);border-color:var(--near)}
.tag.blind{color:var(--over);border-color:var(--over)}
.value{margin-left:auto;font-size:22px;line-height:1}
table{border-collapse:collapse;width:100%;font-size:13px}
th,td{text-align:right;padding:4px 0 4px 8px;border-top:1px solid var(--rule)}
thead th{border:0;color:var(--soft);font-weight:500}
th:first-child,td:first-child{text-align:left;padding-left:0}
tbody th{font-weight:500}
.now{font-weight:600}
.latch.set{color:var(--over);font-weight:600}
.latch.reset{color:var(--good)}
svg{display:block;overflow:visible}
.track{fill:var(--track)}
.fill.good{fill:var(--good)}.fill.near{fill:var(--near)}.fill.over{fill:var(--over)}
.mark{stroke-width:2}
.rim{stroke:var(--card);stroke-width:5}
.mark.set,.limit.set{stroke:var(--over)}.mark.reset,.limit.reset{stroke:var(--good)}
.mark.warn{stroke:var(--near)}
.line{width:100%;height:72px;margin-top:8px;border-bottom:1px solid var(--rule)}
.limit{stroke-dasharray:4 4;vector-effect:non-scaling-stroke}
.curve{fill:none;stroke:var(--note);stroke-width:2;stroke-linejoin:round;vector-effect:non-scaling-stroke}
.area{fill:var(--note);opacity:.14}
.axis{display:flex;justify-content:space-between;gap:8px;font-size:12px;margin-top:4px}
.legend{justify-content:flex-start;margin:0 0 6px}
.key::before{content:"";display:inline-block;width:3px;height:11px;margin-right:5px;background:var(--mark)}
.key.set{--mark:var(--over)}.key.reset{--mark:var(--good)}.key.warn{--mark:var(--near)}
.problem{color:var(--over)}
.facts{display:grid;gap:10px 24px;margin:16px 0 0;
grid-template-columns:repeat(auto-fit,minmax(min(100%,240px),1fr))}
dt{color:var(--soft);font-size:13px}
dd{margin:0;font-weight:500}
.changes td{text-align:left;vertical-align:top}
.changes th{text-align:left}
.changes td:first-child{white-space:nowrap}
.to{color:var(--state);font-weight:600}
ul{margin:0;padding-left:20px}
li{margin-bottom:4px}
a{color:var(--note);margin-left:8px}
footer{color:var(--soft);font-size:13px;margin-top:16px}
footer a{margin:0}
@media(max-width:560px){main,.top{padding-left:14px;padding-right:14px}h1{font-size:23px}
.time{margin-left:0;width:100%}
.axis:not(.legend) span:nth-child(2){display:none}}
"""
