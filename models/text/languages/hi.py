"""Hindi."""

from __future__ import annotations

from models.text.lists import names
from models.text.numbers.language import Language, pairs

HINDI = Language(
    "hi",
    point="दशमलव",
    minus="ऋण",
    percent="{} प्रतिशत",
    date="{day} {month} {year}",
    day_month="{day} {month}",
    time="{hour} बजकर {minute} मिनट",
    full_hour="{hour} बजे",
    group=",",
    decimal=r"\.",
    months=names("जनवरी फ़रवरी मार्च अप्रैल मई जून जुलाई अगस्त सितंबर अक्टूबर नवंबर दिसंबर"),
    month_pattern="जनवरी|फ़रवरी|फरवरी|मार्च|अप्रैल|मई|जून|जुलाई|अगस्त|सितंबर|सितम्बर|अक्टूबर|नवंबर|नवम्बर|दिसंबर|दिसम्बर",
    digits_after_point=True,
    currencies=pairs(
        """
        INR: रुपये
        USD: डॉलर
        EUR: यूरो
        GBP: पाउंड
        """
    ),
    cents=pairs(
        """
        INR: पैसे
        USD EUR: सेंट
        """
    ),
    scales=pairs(
        """
        हज़ार हजार: हज़ार
        लाख: लाख
        करोड़: करोड़
        """
    ),
    units=pairs(
        """
        किमी km: किलोमीटर
        मी m: मीटर
        सेमी cm: सेंटीमीटर
        किग्रा kg: किलोग्राम
        ग्राम g: ग्राम
        °C ℃: डिग्री सेल्सियस
        °F ℉: डिग्री फ़ारेनहाइट
        °: डिग्री
        MB: मेगाबाइट
        GB: गीगाबाइट
        """
    ),
    abbreviations={"डॉ.": "डॉक्टर", "श्री.": "श्री", "रु.": "रुपये", "&": "और"},
    range_to="से",
    codes="कोड|पिन|कमरा|उड़ान|फ़ोन|ओटीपी",
    number_sign="नंबर",
    signs={".": "डॉट", "/": "स्लैश", "@": "ऐट", "-": "डैश", "_": "अंडरस्कोर", "?": "प्रश्नचिह्न", "=": "बराबर",
           "&": "और", ":": "कोलन", "#": "हैश", "%": "प्रतिशत", "+": "प्लस"},
    math={"+": "जमा", "=": "बराबर", "×": "गुणा", "*": "गुणा", "÷": "भाग", "−": "घटा"},
)  # fmt: skip
