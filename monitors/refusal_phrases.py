"""How models decline, by language: RE2 patterns over text in lower case with plain marks. A space is any white space.

Each needs a first person (or a form of the verb that has none but the first) together with what is declined, so that
"I can't wait" and "the shop cannot refund" are none.
"""

from __future__ import annotations

from typing import Final

# English. A clause begins here: after other words "I" may be another's.
_BEGINS: Final = (
    r"(?:^|[.!?;:,*_>)\-]|\b(?:but|and|so|because|since|unfortunately|regrettably|however|as|afraid|regret|that)\b) ?"
)
_ADVERBS: Final = (
    r"(?:(?:really|also|just|simply|truly|currently|unfortunately|respectfully|still|therefore|absolutely|personally"
    r"|directly|actually|ethically|legally|knowingly|afraid i|sorry but i) )*"
)
_I_CANNOT: Final = (
    rf"(?:i|we) {_ADVERBS}(?:cannot|can not|can't|cant|won't|will not|would not|wouldn't|will not be able to"
    r"|won't be able to|may not|must not|shouldn't|should not)"
    rf"|(?:i|we)(?:'m| am|'re| are) {_ADVERBS}(?:unable to|not able to|not allowed to|not permitted to"
    r"|not programmed to|not designed to|not capable of|not equipped to|not comfortable(?: with)?"
    r"|not authori[sz]ed to"
    r"|not going to|not in a position to|not trained to|prohibited from|incapable of|here to)"
)
_FILLERS: Final = (
    r"(?: (?:be able to|in good conscience|directly|actually|ethically|legally|personally|currently|knowingly"
    r"|with that|to|feel comfortable|in any way|not))*"
)
_DEEDS: Final = (
    r" (?:assist|comply|fulfill?|provid|answer|respond|repl(?:y|ies)|generat|creat(?:e|ing)|produc|writ(?:e|ing)"
    r"|compos|draft|engag|participat|discuss|support|condon|endors|promot|encourag|facilitat|offer|shar(?:e|ing)"
    r"|disclos|reveal|access|brows|predict|forecast|process|perform|execut|translat|summari|accommodat|honou?r your"
    r"|satisfy|grant|search|look up|retriev|verify|diagnos|advis|entertain|role-?play|pretend|contribut"
    r"|recommend(?:ing)? (?:any|specific|or|that you|doing|engaging)|suggest(?:ing)? (?:any|ways|that you)"
    r"|help(?:ing)?(?: (?:you|with|in|on|out|users|anyone|anybody|people|create|write|make|plan|find|to|him|her"
    r"|them)\b"
    r"|[.,!;]|$)"
    r"|giv(?:e|ing) (?:you )?(?:instructions?|advice|information|medical|legal|financial|details?|specific|an? "
    r"(?:specific|definitive|definite|recommendation)|any|out|that|personal|guidance|step)"
    r"|open (?:links?|files?|urls?|the|that|your)|view|see (?:images?|pictures|photos|your)|watch|listen"
    r"|complet(?:e|ing) (?:this|that|your|the)|do(?:ing)? (?:that|this|so|it)\b|continu(?:e|ing) (?:with|this|the)"
    r"|proceed|mak(?:e|ing) (?:jokes|a joke|phone|calls|that|this|threats|derogatory|such)"
    r"|tell(?:ing)? (?:you (?:how to|which|the)|jokes?|a joke)|meet (?:this|that|your)|handle (?:this|that|your)"
    r"|send|book|transfer|go into|talk about|use (?:that|such|offensive))"
)
_MACHINE: Final = (
    r"(?:ai|artificial|a\.i\.|(?:large )?language model|(?:virtual|digital|automated|text|machine|chat|computer)\S*)"
)
ENGLISH: Final = (
    rf"{_BEGINS}(?:{_I_CANNOT}){_FILLERS}{_DEEDS}",
    # An apology and an inability in one sentence need no more.
    r"(?:^|[.!?,*_>\n] ?|\b(?:am|'m|i|very|so|truly|really|deeply) )(?:sorry|apologi[sz]e|apologies|afraid|regret)"
    rf"[^.!?\n\"]{{0,80}}\b(?:(?:i|we) {_ADVERBS}(?:cannot|can not|can't|cant|won't|will not)"
    rf"|(?:i|we)(?:'m| am|'re| are) {_ADVERBS}(?:unable|not able|not allowed|not permitted|not programmed"
    r"|not comfortable|not capable|not going to))\b",
    rf"\bas an? (?:\S+ )?{_MACHINE}[^.!?\n]{{0,60}}\b(?:i|it)(?:'m| am)? {_ADVERBS}(?:cannot|can't|can not"
    r"|do not|don't"
    r"|not|unable|won't|will not|must not|have no|lack|should not|shouldn't)\b",
    rf"\bi(?:'m| am) (?:just |only |merely )?an? (?:\S+ )?{_MACHINE}[^.!?\n]{{0,60}}\b(?:cannot|can't|can not"
    r"|do not|don't"
    r"|unable|not able|not capable|won't|will not|have no)\b",
    rf"{_BEGINS}(?:i|we) {_ADVERBS}(?:do not|don't) {_ADVERBS}(?:feel comfortable|have (?:access|the ability"
    r"|the capability|the means|permission|enough information|any information|information|(?:the )?real-time"
    r"|current (?:data|information)|personal)|condone|provide|assist|engage in|create|generate|discuss)",
    rf"{_BEGINS}(?:i|we)(?: must| have to| need to|'ll have to| will have to|'d have to|'m going to have to| will)?"
    rf" (?:{_ADVERBS})(?:decline|refuse)\b(?: to|[^\n]{{0,30}}request|[.,]| this| that)",
    rf"{_BEGINS}(?:i|we)(?:'d| would) (?:rather|prefer) not",
    r"(?:not|isn't) something (?:that )?i(?: can|'m able| am able|'m willing| am willing|'m comfortable)"
    r"|\bsomething (?:that )?i(?: can't| cannot| won't|(?:'m| am) (?:not|un)[ a-z])",
    r"^[\s*]*(?:no|nope|sorry)[,.]? (?:i )?(?:can't|cannot|won't) (?:help|do|answer|assist)",
    r"\bi(?:'m| am) (?:programmed|designed|trained|instructed) (?:to (?:avoid|decline|refuse|not)|not to)",
    r"(?:it is|it's|it would be|it wouldn't be|it isn't|would) (?:also |simply |both )?(?:not |never )?(?:be )?"
    r"(?:appropriate|inappropriate|ethical|unethical|acceptable|responsible|irresponsible|within my [\w ]{0,40}"
    r"|possible for me|impossible for me|okay|right)(?:,? (?:or|and|nor) \w+){0,2}(?: for me| of me)? to"
    r" (?:provid|assist|help|encourag|promot|offer|generat|creat|engag|discuss|answer|support|writ|produc|make (?:fun"
    r"|jokes|derogatory)|condon|suggest|recommend|give (?:advice|instructions|information))",
    r"(?:against|violat\w+|in violation of|outside|beyond|not within) (?:of )?(?:my|our|openai'?s?)"
    r" (?:\S+ ){0,3}(?:guidelines?|polic(?:y|ies)|programming|principles?|rules|capabilities|scope|terms|values)",
    r"\b(?:your|this|that|the) (?:request|prompt|content|question) (?:(?:cannot|can't|can not) be (?:fulfilled"
    r"|answered|completed|accommodated|honou?red)|violates|goes against|has been (?:flagged|blocked|declined)"
    r"|was (?:flagged|blocked|declined))",
)

# Korean. The humble forms of giving ("드릴", "드리기") have no subject but the speaker.
KOREAN: Final = (
    r"드릴 ?수(?:는|가|도)? ?없(?:습니다|어요|네요|는 점|음|다|을 것 같|군요|기에|지만)",
    r"드리기(?:는|가|에는|엔)? ?(?:어렵|어려|곤란|힘들|불가)",
    r"드리지 ?(?:못|않)",
    r"(?:답변|응답|답|대답|도움|지원|제공|안내|작성|생성|설명|추천|공유|처리|수행|이행|응|관여|참여|동의|말씀)"
    r"(?:을|를|에|이|은)? ?(?:하|해 주|해 드리|되)?(?:ㄹ|할|될|해 줄|해드릴|줄) ?수(?:는|가|도)? ?없(?:습니다"
    r"|어요|네요)"
    r"[^\n]{0,40}(?:요청|질문|정책|도움|양해|이해|ai|인공지능|다른)",
    r"(?:죄송|미안|유감스럽|안타깝|아쉽)[^.!?\n]{0,60}(?:수(?:는|가|도)? ?없(?:습니다|어요|네요|을|음|다"
    r"|는 (?:내용|요청|질문|주제))"
    r"|못 ?(?:합|해|하)|하지 못|어렵습니다|어려울|어려워|곤란|불가|않습니다|거절|사양)",
    r"(?:죄송|미안|유감)[^.!?\n]{0,30}[.!,] ?[^.!?\n]{0,60}(?:요청|질문|주제|내용|부탁|정보|도움|답변|작업|제가"
    r"|저는|ai|인공지능|언어 ?모델)"
    r"[^.!?\n]{0,50}(?:수(?:는|가|도)? ?없(?:습니다|어요|네요)|못 ?(?:합|해)|어렵습니다|곤란합니다"
    r"|불가(?:능)?합니다|않습니다)",
    r"(?:저는|제가|저로서는|저도|나는|난)[^.!?\n]{0,60}(?:ai|인공지능|언어 ?모델|챗봇|어시스턴트"
    r"|프로그램)[^.!?\n]{0,60}"
    r"(?:수(?:는|가|도)? ?없|못 ?(?:합|해)|않습니다|없습니다)",
    r"(?:ai|인공지능|언어 ?모델|챗봇)(?: ?모델)?(?:로서|이기|이라|이므로|라서|인 저)[^.!?\n]{0,80}"
    r"(?:수(?:는|가|도)? ?없|못 ?(?:합|해)|않습니다|없습니다|어렵)",
    r"(?:저는|제가|저로서는)[^.!?\n]{0,40}(?:도와|도움|답변|제공|생성|작성|수행|알려|응답|대답|지원|접근|확인"
    r"|추천|처리)[^.!?\n]{0,16}"
    r"(?:수(?:는|가|도)? ?없(?:습니다|어요|네요)|못 ?(?:합|해)|않습니다)",
    r"(?:요청|질문|부탁|주제|내용)[^.!?\n]{0,24}(?:도와|답변|답할|대답|응답|응할|들어줄|들어드릴|수락"
    r"|이행)[^.!?\n]{0,10}"
    r"(?:수(?:는|가|도)? ?없(?:습니다|어요|네요)|않겠습니다)",
    r"(?:글|내용|콘텐츠|문장|코드|이야기|문구)(?:은|는|을|를)? ?(?:쓸|작성할|만들|생성할"
    r"|제공할) ?수 ?없(?:습니다|어요)",
    r"(?:요청|부탁|제안|질문)(?:은|는|을|를)? ?거절(?:해야|하겠|합니다|할 수밖에)",
    r"(?:안전|정책|가이드라인|지침|규정|윤리|법률|법적|원칙|보안)[^.\n]{0,30}(?:이유|따라|위배|위반|어긋)[^.\n]{0,40}"
    r"(?:없습니다|없어요|않습니다|않을게요|않겠습니다|못 ?합니다|어렵습니다|곤란합니다)",
    r"드릴 수 있는 범위[^.\n]{0,4}벗어|(?:생성|작성|제공|답변|답|말|공유)하지 않도록 (?:프로그래밍|설계|훈련|학습)",
    r"(?:부탁|요청)(?:은|는|을|를)? ?(?:들어줄|들어 ?드릴|따를) ?수(?:는|가)? ?없|도와(?:드리|주)지 ?않(?:을게|겠)",
    r"도움을? ?(?:드리고|주고) 싶지만[^.\n]{0,60}(?:없습니다|않습니다|어렵)",
    r"(?:도와|답해|알려)(?:줄|드릴) ?수(?:는|가|도)? ?없(?:습니다|어요|네요|어)",
)

JAPANESE: Final = (
    r"(?:申し訳|すみません|すいません|恐れ入|恐縮|残念|ごめん)[^\n。]{0,60}。?[^\n。]{0,60}"
    r"(?:でき(?:ません|かねま|ないです|ないんです|ない。|ません)|致しかね|いたしかね|しかねま|応じられ(?:ません"
    r"|ない)|お断り|控えさせ|差し控え"
    r"|答えられ(?:ません|ない)|わかりかね|分かりかね|出来(?:ません|かね)|対応しておりません|持っていません"
    r"|お役に立て(?:ません|ない)"
    r"|られません|わけにはいきません|お手伝いでき)",
    r"(?:お答え|お手伝い|お応え|ご対応|お役に立つ|回答|ご案内|ご協力|ご提供)(?:を|は|に|する)?(?:することは"
    r"|することが|ことは|ことが|が|は)?(?:(?:でき|出来)(?:ません|かねま|ない)|しかねま)",
    r"私(?:が|には)[^。\n]{0,20}でき(?:るもの|ること|る範囲)(?:で|と|に)?は(?:ありません|ない)|(?:それ|これ"
    r"|その件)には(?:協力|賛同|対応)でき(?:ません|ない)",
    r"(?:いたし|致し|応じ)かねま|手伝え(?:ません|ない)",
    r"(?:情報|内容|方法|作り方|やり方|手順|助言|アドバイス|文章|コンテンツ|説明|意見|物語"
    r"|コード)[^\n。]{0,12}(?:提供|作成|生成|お教え|教え|説明|書く|述べ|お伝え|共有|掲載)"
    r"[^\n。]{0,10}(?:でき|出来|られ)(?:ません|かねま)",
    r"(?:ガイドライン|ポリシー|規約|方針|倫理)[^\n。]{0,20}(?:反|違反|触れ)[^\n。]{0,30}(?:ません|かねま)",
    r"(?:ご?要望|ご?依頼|ご?要求|リクエスト|ご?質問|そのような|その件|この件|それ)[^\n。]{0,30}(?:でき(?:ません"
    r"|かねま)|お答えしかね|応じ(?:られません|かねま|ることは)"
    r"|お断り|控えさせ)",
    r"(?:回答|お答え|返答|コメント)(?:を|は|すること(?:を|は))?(?:差し)?控え",
    r"(?:私|わたし|当方|僕)は[^\n。]{0,40}(?:ai|人工知能|言語モデル|アシスタント|プログラム"
    r"|チャットボット)[^\n。]{0,60}(?:ません|できない)",
    r"(?:ai|人工知能|言語モデル|aiアシスタント)(?:として|であるため|なので|ですので|ですから"
    r"|のため)[^\n。]{0,80}(?:ません|できない|かねま)",
)

CHINESE: Final = (
    r"(?:抱歉|对不起|對不起|很遗憾|很遺憾|不好意思|恕)[^\n。!]{0,30}(?:我|作为|作為|本人|本助手)[^\n。]{0,40}"
    r"(?:无法|無法|不能|不会|不會|没办法|沒辦法|没有办法|不便|不可以|没有能力|拒绝|拒絕|不支持|不提供)",
    r"(?:抱歉|对不起|對不起|很遗憾|很遺憾|不好意思)[,。! ]*(?:但|但是|不过)?[^\n。,]{0,14}(?:无法|無法|不能|难以"
    r"|不便)[^\n。]{0,24}"
    r"(?:帮|幫|提供|回答|协助|協助|满足|滿足|完成|生成|讨论|討論|支持|执行|處理|处理|给出|給出|透露|参与|參與"
    r"|访问|訪問|回应|回應|分享|创作|撰写|编写"
    r"|预测|預測|告诉|告訴|浏览|查看|评论|評論|继续|繼續|谈论|涉及|进行|實現|实现)",
    r"我(?:目前|现在|现阶段|實在|实在|真的|暂时|並|并|也)?"
    r"(?:无法|無法|不能|不会|不會|没办法|沒辦法|不可以|拒绝|拒絕|不便)[^\n。]{0,20}"
    r"(?:帮|幫|提供|回答|协助|協助|满足|滿足|完成|生成|讨论|討論|支持|执行|處理|处理|给出|給出|透露|参与|參與"
    r"|访问|訪問|回应|回應|分享|创作|撰写|编写"
    r"|预测|預測|告诉您|告诉你|告訴您|告訴你|浏览|评论|評論|谈论)",
    r"(?:作为|作為|身为|我是)(?:一个|一個|一名|一款|一种)?[^\n。]{0,12}(?:ai|人工智能|人工智慧|语言模型|語言模型"
    r"|智能助手|助手)[^\n。]{0,60}"
    r"(?:无法|無法|不能|不会|不會|没有|沒有|不具备|不具備|不便)",
    r"(?:无法|無法|不能|没办法|沒辦法)(?:为|為|向|给|給)(?:您|你)(?:提供|回答|解答|完成|生成|服务)",
    r"(?:超出|超過)了?我的[^。\n]{0,6}(?:范围|範圍)|(?:帮|幫)不(?:了(?:您|你)|上)",
    r"(?:请求|請求|问题|問題|要求|内容|內容)[^。\n]{0,24}我(?:无法|無法|不能|不便)",
    r"(?:换个|換個)(?:话题|話題)(?:聊|试试|吧|再)",
)

_FR_DEEDS: Final = (
    r"(?:aider|fournir|répondre|assister|satisfaire|cré|génér|accéder|traiter|écri|rédiger|produire|partager|discuter"
    r"|accepter|proposer|accomplir|effectuer|participer|prédire|soutenir|encourager|donner (?:de|des|d'|cette|ces|une"
    r"|suite)|faire (?:cela|ça)|parler|consulter|naviguer|recommander|conseiller|communiquer|divulguer|continuer|voir"
    r"|remplir|exécuter|réaliser|promouvoir|indiquer|commenter|dire)"
)
FRENCH: Final = (
    r"\bje ne (?:peux|puis|pourrai|pourrais|saurais|veux|vais|dois)(?: (?:pas|malheureusement|donc|vraiment"
    r"|vous|te|l'|le|la|les"
    rf"|en|y|directement|malheureusement pas))* ?(?:vous |te |t'|y |en |l')*{_FR_DEEDS}",
    r"\bje ne suis (?:malheureusement |donc )?pas (?:en mesure|capable|autorisée?|programmée?|habilitée?|conçue?"
    r"|à l'aise)",
    r"(?:désolée?|navrée?|excuse|regrette|malheureusement)[^.!?\n]{0,60}\bje ne (?:peux|puis|pourrai|pourrais"
    r"|suis pas)",
    r"\bil m'est (?:malheureusement )?impossible d|\bje (?:dois|me dois de|préfère|suis contrainte?|suis obligée?)"
    r"[^.!?\n]{0,20}(?:refuser|décliner)|\bje refuse d"
    r"|\bje préfère ne pas|\bva à l'encontre de mes",
    r"en tant qu[e'] ?(?:une? )?(?:ia\b|intelligence|assistant|modèle|machine)[^.!?\n]{0,60}\bje (?:ne|n')",
)

_DE_DEEDS: Final = (
    r"(?:helfen|weiterhelfen|unterstützen|beantworten|antworten|bereitstellen|geben|erfüllen|erstellen|generieren"
    r"|schreiben|verfassen|liefern|anbieten|ausführen|nachkommen|bearbeiten|teilnehmen|teilen|besprechen|diskutieren"
    r"|empfehlen|zugreifen|durchführen|verarbeiten|vorhersagen|dienen|machen|tun|sprechen|äußern|abrufen|öffnen"
    r"|behilflich|eingehen|nennen|sagen|zustimmen|beraten)"
)
GERMAN: Final = (
    rf"\b(?:ich (?:kann|darf|möchte|werde|könnte)|(?:kann|darf|möchte|werde) ich)\b(?: [^\s.!?\"]+){{0,7}}? "
    rf"(?:nicht|keine\w*|nichts)(?: [^\s.!?\"]+){{0,9}}? {_DE_DEEDS}",
    r"\bich bin (?:leider |derzeit |momentan )?(?:nicht in der lage|nicht befugt|nicht dazu (?:in der lage|befugt)"
    r"|nicht berechtigt|nicht dafür|nicht programmiert|außerstande)",
    r"\bbin ich (?:leider |derzeit )?nicht in der lage|\b(?:es )?ist (?:es )?mir (?:leider )?(?:nicht möglich"
    r"|nicht erlaubt"
    r"|nicht gestattet|untersagt)",
    r"\b(?:ich muss|muss ich)(?: [^\s.!?\"]+){0,5} (?:ablehnen|verweigern)|\b(?:ich lehne"
    r"|lehne ich)\b[^.!?\n]{0,40}\bab\b"
    r"|(?:verstößt|verstoßen)[^.!?\n]{0,20} gegen (?:meine|unsere)",
    r"(?:leid|entschuldig\w*|bedau\w+|sorry|verzeihung)[^.!?\n\"]{0,60}\b(?:ich (?:kann|darf|werde)|(?:kann|darf) ich"
    r"|dass ich)\b[^.!?\n\"]{0,60}(?:nicht|kein)",
    r"\bals (?:eine? )?(?:ki\b|ki-|künstliche|sprachmodell|virtueller|digitaler|assistent)[^.!?\n]{0,40}"
    r"(?:kann|habe|darf|bin|besitze|verfüge) ich[^.!?\n]{0,50}(?:nicht|kein)",
)

_ES_DEEDS: Final = (
    r"(?:ayudar|proporcionar|responder|contestar|asistir|brindar|ofrecer|cumplir|crear|generar|escribir|redactar"
    r"|acceder"
    r"|participar|compartir|realizar|completar|procesar|hablar|discutir|apoyar|hacer(?: eso|lo| esto)|proveer"
    r"|predecir"
    r"|facilitar|atender|satisfacer|dar(?:te|le|les)?(?: [^\s.]+)? (?:información|instrucciones|consejos?|una?"
    r"|detalles"
    r"|recomendaciones|opiniones)|recomendar|aconsejar|promover|fomentar|ejecutar|revelar|divulgar|continuar|opinar"
    r"|comentar|navegar|abrir|ver imágenes|decir(?:te|le) (?:cómo|qué)|producir|suministrar|tratar)"
)
SPANISH: Final = (
    r"\bno (?:(?:te|le|les|os|lo|la|se) )*(?:puedo|podré|podría|podemos|voy a"
    rf"|debo)(?: [^\s.!?]+){{0,2}}? {_ES_DEEDS}",
    r"\bno (?:estoy|me encuentro) (?:autorizad|capacitad|en condiciones|en posición|programad|diseñad|facultad"
    r"|habilitad"
    r"|cómod)",
    r"\bno (?:soy capaz de|me es posible|me está permitido|tengo (?:acceso|la capacidad|permitido|permiso"
    r"|autorización))",
    r"(?:lo siento|lamento|lamentablemente|perdón|disculp\w*|me temo"
    r"|desafortunadamente)[^.!?\n]{0,60}\bno (?:te |le |lo )*"
    r"(?:puedo|podré|podemos|podría|me es posible|estoy|tengo)",
    r"\b(?:debo|tengo que|he de)(?: [^\s.!?]+){0,2}? (?:rechazar|declinar|negarme)|\bme niego a"
    r"|\bprefiero no |\bva en contra de mis |\blamento (?:mucho )?no poder",
    r"\bcomo (?:un |una )?(?:ia\b|inteligencia|modelo de|asistente)[^.!?\n]{0,50}\bno (?:puedo|tengo|estoy|soy|debo)",
)

PORTUGUESE: Final = (
    r"\bnão (?:posso|poderei|consigo|vou|devo)(?: [^\s.!?]+){0,2}? (?:ajudar|ajudá|fornecer|responder|auxiliar"
    r"|criar|gerar"
    r"|escrever|oferecer|atender|cumprir|acessar|aceder|participar|compartilhar|partilhar|realizar|discutir"
    r"|apoiar|fazer"
    r" isso|prever|dar (?:informaç|instruç|conselho)|recomendar|processar|prestar|promover|completar)",
    r"\bnão (?:estou|sou) (?:autorizad|capaz|em condições|programad|apt)|\bnão tenho (?:acesso|permissão"
    r"|a capacidade)",
    r"(?:desculp\w*|lamento|sinto muito|infelizmente)[^.!?\n]{0,60}\b(?:eu )?não (?:posso|consigo|poderei|estou"
    r"|tenho)",
    r"\bcomo (?:uma? )?(?:ia\b|inteligência|modelo de|assistente)[^.!?\n]{0,50}\bnão (?:posso|tenho|consigo|sou)",
)

ITALIAN: Final = (
    r"\bnon (?:(?:ti|le|vi|lo) )?(?:posso|potrò|sono in grado di|sono autorizzat\w|riesco a|mi è possibile"
    r"|ho accesso)"
    r"(?: [^\s.!?]+)? ?(?:aiutar|fornir|rispond|assist|crear|generar|scriver|offrir|soddisfar|acceder|partecipar"
    r"|condivider|eseguir|discuter|sostener|farlo|preveder|dar(?:e|ti|le) (?:informazion|istruzion|consigl)"
    r"|consigliar"
    r"|completar|elaborar|a |al |ai )",
    r"(?:mi dispiace|spiacente|purtroppo|mi scuso|scusa)[^.!?\n]{0,60}\bnon (?:posso|sono in grado|potrò"
    r"|mi è possibile"
    r"|ho (?:accesso|informazioni))",
    r"\bcome (?:un'?\s?|una )?(?:ia\b|intelligenza|modello|assistente)[^.!?\n]{0,50}\bnon (?:posso|ho|sono)",
)

DECLINES: Final = {
    "en": ENGLISH,
    "ko": KOREAN,
    "ja": JAPANESE,
    "zh": CHINESE,
    "fr": FRENCH,
    "de": GERMAN,
    "es": SPANISH,
    "pt": PORTUGUESE,
    "it": ITALIAN,
}

# Languages whose phrases no ASCII text has.
OWN_SCRIPT: Final = frozenset(("ko", "ja", "zh"))

# What an answer begins with after a refusal, so that it is one in part.
ANSWERS: Final = (
    r"```",
    r"\b(?:here(?:'s| is| are)|below (?:is|are)|the following (?:is|are))\b",
    r"\b(?:i can|i could|let me) (?:still |certainly |gladly )?(?:tell you|explain|say that|outline|describe"
    r"|give you (?:some|a|an)|share (?:some|a)|provide (?:you )?(?:with )?(?:some|a|an|general)"
    r"|offer (?:you )?(?:some|a|an))",
    r"\bas of (?:my|\w+ \d{4}|\d{4})|\bmy (?:knowledge|last update|training)[^.\n]{0,60}(?:,|is that|was that)"
    r"|\b(?:in general|generally speaking|generally,|typically,|that said,)",
    r"(?:다만|하지만|그러나|그렇지만|대신)[^.\n]{0,24}(?:일반적으로|다음|아래|알려진)|(?:다음|아래)(?:은|는"
    r"|와 같|과 같|의)",
    r"(?:以下(?:是|为|為|の|に|は|が)|一般来说|一般來說|通常来说|通常,|一般的には|一般に、|次のとおり|次の通り)",
    r"\bvoici\b|\ben général,|\bde manière générale",
    r"\bhier (?:ist|sind|finden)\b|\bim allgemeinen\b|\bgrundsätzlich\b|\ballgemein gilt",
    r"\baquí (?:tienes|tiene|está|están|te dejo)|\ba continuación|\ben general,|\baqui est|\becco\b|\bin generale,",
)

# Not an answer but somewhere else to turn to.
REDIRECTIONS: Final = (
    r"alternativ|resource|hotline|helpline|instead|other (?:way|thing|topic)|something else|support|healthy|대안"
    r"|다른|替代|其他"
    r"|代わり|ressourcen|recursos|autre|andere|otr[ao]s|outr[ao]s",
)

# What somebody cannot do who is willing: directly after the words that decline.
NO_REFUSAL: Final = (
    r" (?:find|locate|understand|think of|hear|remember|recall|figure|imagine|believe|wait|thank)\b",
    # It is done once something else is known.
    r"\w*(?: (?:that|this|it|you|your|the|question|for|\w+ly))* (?:without|until|unless|before)\b",
    r"でした|場合|[^。\n,]{0,4}(?:理解|找到|查到|识别)",
)

# A letter that was asked for may decline something; whoever writes to somebody is not the model.
LETTERS: Final = (
    r"[\s*#>_]*(?:subject|betreff|objet|asunto|assunto|oggetto|제목|件名|主题|主旨) ?:",
    r"[\s*#>_]*(?:dear|sehr geehrte\w*|liebe[rs]?|chère?s?|estimad[ao]s?|querid[ao]s?|prezad[ao]s?|gentile|caro"
    r"|cara) "
    r"[^\n]{1,40}[,:!\n]",
    r"[\s*#>_]*(?:尊敬的|亲爱的|敬爱的|拝啓)",
)
