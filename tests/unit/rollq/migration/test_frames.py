"""Pickles of earlier pandas: they are read, and kept as Parquet."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import pandas as pd
import pytest

from rollq.migration.frames import todays
from rollq.tasks.tracking.artifacts.codecs import codec_of
from rollq.workers.qlib.pickles import load

# A frame, a series and a Timestamp, pickled by these versions, compressed, in base 85.
PICKLED = {
    "1.5.3": (
        "c-oa!%}*0S6mLsg3lS9viUB=%Dj`;yAbMy*plF1KHIaBRlFjUP+S#zXt-G^86G=3NkCM4D8biFAc=RYI6aNw~-u(~sz1e=#nmA2&"
        "=j*-qd%yRwZ{qKNBqM5wu_|$k#Lt)&k7i09ai|o-tAvxsYJMtb-^zWN7IEDvds5u)yl%OidM>g3j6+;frk*dw<rTYPZf}HZ5Es`Q"
        "61r^}ep^I}t9sy8EpywZx`8rydD0D>YAw|61U9#b=aCv{)jeufT%UV^$?;-BU6kSy=vG%wWg&7P^HD<{$!9WMh{7*+DA`q!DDqkr"
        "JrS|eLs>r#&xb@bCpAr5{{urk3K1@idj48S%+IC9`@4i~kum}c;JAQ0;oFu;l|i(E>IyM@9>^^qYO0%|BHg2Y#vnfMI-<LDS6{<D"
        "5NER@(VQ!Wi@>^MSJ)VO!X{dNz+y_oo_1k>-GhAzv2P(bv?~c>j=LB^EjR=rHYaZO1Exp@WE=SIM3c1X4uvqGOSk$-0$R!~hXNzx"
        "%CFVNM$5lPVzhS;G_!kRqAMj-{6Nc$u2*Y&?WE9Fm+@qUnA^07;hX7%5lVHUXc=2>B*gl+m(NEvqzw7nX!93mGd+<9T=^ITSEWsq"
        "%R>zMz)<|Zs(L;ZiJY9@Kl?R_%Y6uxUh?QGsrg4>C?`@)M`R;h?5^VKB8C_&7V8+6)aH}Lc^nd^FVrk6DOdVNELAKHb$O_fiiBAy"
        "QWentO2IKJ+s-lepkH;wB9Z>opoVvN9>sGihW(1iD_#+rfCkk{oQ7$e?a>erKA^2YaYDzz+;4Ut-JzVQV!(tZoI_s$#*%u;CS^6f"
        "L2SFS>+8j!3bhE#={7MiTaW#~5aXSB;#1GU>_~2glV(F>36>P&o0eO)X-~_73+XManCX6b4~+*jnNTxpE?->e%Itv|V|5hog^UUF"
        "V<_x5A-%b<YRT4selV>P3dipy6u^sf?8`qud>v#0nVrvM7c$wf3lVTqvd<!^nlc7WwSygE2Y7HUQt%<r;S3gc+AT03fsblITZ3};"
        "0YK#l`?xRJ8T>yT`)Jf?eM7?X=YIIYBId-YLaZj*O`x?66sJ#GMWktk5e`<5Wacl4H>-;"
    ),
    "2.2.3": (
        "c-oazOK;Oa5O&feP0ORSRiTIi5~oy%&`3}?RI1t(1dVDWdP6GKI^Jfj*iK}x+eRW1AoUTn;?k`UaOKFA11Ek1{{Rl$;TOQnI`5_+"
        "9L3((%zXQOGxI!g^g5-fM~qjAXOSRVtoSs$=@XYqF|tB9xv$2Da`uI+%Zx}EZpoM8O80Tw<J9+v6J%ZDkrMR-DNZjtm121<nuEDG"
        "-?T6s+YCA;Qj8g)SG9{}hZ-i@;NdARbgQ+<yBj*(CcaN<;MMSHvEl{X4~rZRCe=YHhQYTwawrShuFS_wxi25fOd$rp_?~2AB5Cnj"
        "6>lQqn|Ed7Ale@iu?4B?`s#0Z)T^LzX*TlbB4WNRHospaEQ_=m+5pD`+{wVPi&O=~DCn*b$M>$>0HUUQ8M5dO4YDQ)fY(vOqua(q"
        "Tmy49E0V3TV%P%KB|FQ;@g{7teGiySi}<4+?9ckJFCz901cz}YLCgsc71YB$Fk;um#X-On$$)GPzujn34&9<46JF`^AWJ|?x$RP5"
        "WJ29*rMb|)-#u}re+@jdn_{vjC6s>PWyUb7wVh5<=qpROvrLL*YN32H-7q4nZWQfcOU;B>y_))!(2+9aZ>_^$g3a_P54iGi5Lcy5"
        "jLSU~{X{AL-&G@@*0fijZ@>F7h0{7DsmT^Zx&>c0MPfG;L&qb>VKU!9G1BV~=I8K{Fnpp$IZ3(lH)^XAajC~6k5nX!6^kkv2Rnu9"
        "*tt$-u{(omBCctJ2|*7paX*IpREz`_pI3YfN?(T>C2lixnQhYu5Wb+9KuJQM!HjS99K)rYs1m?5CY(bzsY{VEHXTw@!wbZ5D%*i!"
        "g;l6PV9s!ei8*=@gr=D2&W?ckHs(ZXJsPyy7)!F0m{_;Hl0*9%6&%QH{7r(U_;yzv9uq&3dMIig5oZfg0g{aqO8b(^4Saqsq5=6Q"
        "h>s_QK)U9#xm(#>)KCc2sbn8SO7&M%LRIz_aYEeqB+}5+4cLRpwN5t+Nf@BpLy>Co$c|7GL-iBF-qa;~3;*{A0sE>0^;df8nFrAa"
        "tCAD93NlP~s=B=llxJ48@28&XdSRGD*nOG(1Lhc(bN"
    ),
}


@pytest.mark.parametrize("version", PICKLED)
def test_pickles_of_earlier_versions_are_read(version: str) -> None:
    """Their texts, which were objects, get today's type; without that a frame has no exact form as Parquet."""
    values: Any = load(zlib.decompress(base64.b85decode(PICKLED[version])))
    frame, series, day = values
    assert day == pd.Timestamp("2020-01-01")
    assert (list(series), list(series.index)) == ([1.0], [3])
    made = todays(frame)
    assert isinstance(made, pd.DataFrame)
    assert [(str(at)[:10], name, score) for (at, name), score in made["score"].items()] == [
        ("2020-01-01", "SH600000", 0.5),
        ("2020-01-01", "SZ000001", -0.5),
    ]
    codec = codec_of(made)
    pd.testing.assert_frame_equal(codec.decode(codec.encode(made)), made)
    assert codec_of(series).encode(todays(series))
