"""Texts that try to become part of the page. Each would set `window.stolen`, open a dialog or load something."""

from typing import Final

TEXTS: Final = (
    "<script>window.stolen = 1</script>",
    "</script><script>window.stolen = 2</script>",
    "<img src=x onerror='window.stolen = 3'>",
    "<svg onload='window.stolen = 4'><circle r=9></svg>",
    '"><svg/onload=alert(5)>',
    "' onfocus='window.stolen = 6' autofocus='",
    "<iframe srcdoc='<script>parent.stolen = 7</script>'></iframe>",
    "<a href='javascript:window.stolen=8'>click</a>",
    "<details open ontoggle='window.stolen = 9'>x</details>",
    "<style>* { display: none !important }</style>",
    "<link rel=stylesheet href=https://evil.example/a.css>",
    "<meta http-equiv=refresh content='0;url=https://evil.example/'>",
    "<form action=https://evil.example/><button autofocus>go</button></form>",
    "<base href=https://evil.example/>",
    "<object data='data:text/html,<script>parent.stolen = 10</script>'></object>",
    "{{constructor.constructor('window.stolen = 11')()}}",
)
"""For titles, messages and results, which are plain text."""

MARKDOWN: Final = (
    *TEXTS,
    "[click](javascript:window.stolen=20)",
    "[click](JaVaScRiPt&colon;window.stolen=21)",
    "[click](java\tscript:window.stolen=22)",
    "[click](data:text/html;base64,PHNjcmlwdD5hbGVydCgyMyk8L3NjcmlwdD4=)",
    "[click](vbscript:msgbox(24))",
    "![pixel](https://evil.example/pixel.png)",
    "![pixel](//evil.example/pixel.png)",
    '![x](x"onerror="window.stolen=25)',
    "![ref][pixel]\n\n[pixel]: https://evil.example/ref.png",
    '<https://evil.example/"onmouseover="window.stolen=26>',
    "[click](https://evil.example/ \"x' onmouseover='window.stolen=27\")",
    "```<img src=x onerror=window.stolen=28>\ncode\n```",
    "<video poster=https://evil.example/p.png src=https://evil.example/v.mp4 autoplay></video>",
    "<picture><source srcset=https://evil.example/s.png><img src=https://evil.example/i.png></picture>",
    "<input type=image src=https://evil.example/in.png onerror=window.stolen=29>",
    "<table background=https://evil.example/bg.png><tr><td>x</td></tr></table>",
    "<p style='background:url(https://evil.example/css.png)'>styled</p>",
    "<a href='https://evil.example/' ping='https://evil.example/ping' target=_top>ping</a>",
    # Markup that means something else once it has been parsed, written and parsed again.
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=window.stolen=30&gt;'>",
    "<svg></p><style><a id='</style><img src=1 onerror=window.stolen=31>'>",
    "<noscript><p title='</noscript><img src=x onerror=window.stolen=32>'>",
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=window.stolen=33>",
    "<svg><style><img src=x onerror=window.stolen=34></style></svg>",
    "<textarea><img title='</textarea><img src=x onerror=window.stolen=35>'>",
    "<template><img src=x onerror=window.stolen=36></template>",
    "<x-y is=x onclick=window.stolen=37>custom</x-y>",
    "<img name=body src=x><form name=querySelector id=message><input name=children></form>",
)
"""For a model's answers, which are Markdown."""
