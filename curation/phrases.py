"""PURE. How texts command a model, as regular expressions over case-folded text."""

from __future__ import annotations

# A few words of the same sentence.
_GAP = r"[^\w.!?]+(?:\w+[^\w.!?]+){0,6}?"
_RULES = (
    r"(?:instructions?|rules?|guidelines?|prompts?|directives?|directions?|polic(?:y|ies)|orders?"
    r"|constraints?|restrictions?|safeguards?|guardrails?|messages?|context|conversation"
    r"|programming|training|anweisung\w*|regeln?|vorgaben?|instrucci\w+|reglas?|consignes?"
    r"|instructions|r[èe]gles?|istruzion\w+|инструкци\w+|правил\w*)"
)
_MODEL = r"(?:assistant|ai|chatbot|bot|llm|language model|model|agent|copilot|ki|modell)"
_SECRETS = (
    r"(?:system prompt|hidden prompt|initial prompt|(?:your|the|these|its) (?:\w+ ){0,2}"
    r"(?:prompt|instructions)|secrets?|passwords?|api[ _-]?keys?|tokens?|credentials?"
    r"|environment variables?|private keys?|session (?:id|cookie)s?|cookies?|chat history"
    r"|conversation history|previous conversation|training data|systemprompt|system-prompt)"
)
# Against other instructions, or posing as somebody who gives them: noticed in any entry.
OVERRIDES = (
    (
        rf"(?:ignor|disregard|forget|overrid|bypass|overrul|supersed|neglect|skip|drop|discard"
        rf"|erase"
        rf"|abandon|set aside|put aside|pay no attention to|do not follow|don'?t follow"
        rf"|stop following"
        rf"|no longer follow|vergiss|vergesst|missachte|ignorier|ignora|olvida|oublie|dimentica"
        rf"|игнорируй|забудь)\w*{_GAP}{_RULES}\b"
    ),
    (
        rf"\b{_RULES}[^\w.!?]+(?:\w+[^\w.!?]+){{0,3}}?(?:no longer appl|(?:are"
        rf"|is) (?:now )?(?:void|cancel"
        rf"|lifted"
        r"|replaced|obsolete|suspended|revoked))\w*"
    ),
    r"(?:忽略|无视|忘记|不要理会).{0,12}(?:指令|说明|提示|规则)",
    r"(?:以前|これまで|上記).{0,8}(?:指示|命令).{0,8}(?:無視|忘れ)",
    r"\byou(?:'re| are)? (?:now|no longer|hereby)\b(?: \w+){0,4}",
    (
        r"\b(?:from (?:now|here|this point) on|henceforth|going forward|for the rest of (?:this"
        r"|the)"
        r" (?:chat|conversation|session))\b[^\w.!?]+(?:\w+[^\w.!?]+){0,4}?(?:you|your|always"
        r"|never|answer"
        r"|respond"
        r"|reply|act|speak|treat|call|append|include|say|only)\b"
    ),
    (
        r"\b(?:ab jetzt|von nun an|a partir de ahora|d[ée]sormais|à partir de maintenant"
        r"|d'ora in poi"
        r"|отныне|从现在起|从现在开始)"
    ),
    (
        r"\b(?:act|behave|respond|answer|operate|roleplay|role-play) as (?:if you (?:were|are|have)"
        r"|though|an? (?:un|evil|dan\b|different|jailbroken|developer|root|admin)\w*|dan\b|root\b)"
    ),
    r"\b(?:pretend|imagine) (?:to be|that you|you(?:'re| are| have))",
    (
        r"\b(?:developer|debug|god|admin|maintenance|sudo|root|unrestricted|jailbreak|dan|opposite)"
        r"[ -]mode\b"
    ),
    r"\bjail ?break\w*|\bdo anything now\b|\bprompt injection\b",
    (
        rf"\b(?:new|updated|revised|real|actual|true|secret|hidden|additional|final|priority) "
        rf"(?:system )?{_RULES}\b(?=\W)"
    ),
    (
        rf"\b(?:attention|important|note|message|instructions?|memo|hint|warning|notice|hey"
        rf"|dear)\b\W+"
        rf"(?:\w+\W+){{0,3}}?(?:to|for|of)?\W*(?:the |any |all |every )?{_MODEL}s?\b"
    ),
    rf"\bif you are an? (?:large )?{_MODEL}\b",
    (
        r"\bas an? (?:large )?(?:ai|assistant|chatbot|language model)\b(?! (?:professor|manager"
        r"|editor"
        r"|director|coach|teacher|principal|to ))"
    ),
    (
        r"\b(?:this|the following|what follows) (?:message |text |entry |note )?(?:overrides?"
        r"|supersedes?|replaces?|takes precedence|has priority|outranks?)\b"
    ),
    r"\btakes? (?:precedence|priority) over\b",
    (
        r"\b(?:without|no|ignore|disable|turn off|remove"
        r"|lift)[^\w.!?]+(?:\w+[^\w.!?]+){0,3}?(?:safety|content"
        r"|ethic\w*|moderation|censor\w*|filters?|safeguards?|guardrails?)\b"
    ),
    (
        r"\b(?:your|the) (?:creator|developer|administrator|operator|owner"
        r"|supervisor)s? (?:\w+ ){0,3}?"
        r"(?:want|ask|order|instruct|authori[sz]e|allow|permit|say|said|require|approve)\w*"
    ),
    (
        r"\b(?:end|beginning|start) of (?:the )?(?:system |user |context |example|prompt"
        r"|conversation"
        r"|instruction|background|document|data)\w*"
    ),
    (
        r"\b(?:obey|comply with) (?:\w+ ){0,3}?(?:command|order|instruction|request|text|following"
        r"|message|user)s?\b"
    ),
    (
        r"\bregardless of (?:what|whatever|anything|any|the) (?:\w+ ){0,4}?(?:user|question|ask"
        r"|say|else"
        r"|instruction|rule|polic|law|context|evidence|document)\w*"
    ),
    r"\b(?:with)?out (?:\w+ ){0,2}?(?:telling|mentioning|informing|asking|notifying|warning)\b",
    (
        r"\b(?:do not|don'?t|never|must not|no need to) (?:\w+ ){0,2}?(?:tell|mention|reveal|inform"
        r"|disclose|notify|alert|warn)\b(?: \w+){0,4}? (?:user|customer|reader|anyone|anybody"
        r"|person"
        r"|people|this|that|these|it|them)\b"
    ),
    r"\b(?:sage|erz[äa]hle?) (?:es |das |dem )?(?:\w+ ){0,3}?(?:nicht|niemandem)\b",
)
REVEALS = (
    (
        rf"\b(?:reveal|print|show|repeat|output|display|disclose|leak|dump|list|recite"
        rf"|summari[sz]e|copy"
        rf"|translate|tell (?:me|us|them|the user)|give (?:me|us|them)|write (?:out|down)|include"
        rf"|quote"
        rf"|expose|encode|spell|insert|append|begin with|start with|share|zeige?|verrate?|gib"
        rf"|muestra"
        rf"|revela|montre|r[ée]v[èe]le|mostra)\b{_GAP}{_SECRETS}"
    ),
    rf"\bwhat (?:is|are|was|were)[^\w.!?]+(?:\w+[^\w.!?]+){{0,2}}?{_SECRETS}",
    (
        r"\b(?:everything|all (?:of )?the (?:text|words|content)|the text|words) (?:above"
        r"|before this"
        r"|written above|that precedes?)\b"
    ),
    r"(?:显示|输出|泄露|告诉).{0,10}(?:系统提示|提示词|密码|密钥)",
)
SENDS = (
    (
        r"\b(?:send|post|forward|e-?mail|upload|transmit|submit|exfiltrate|report|deliver|mail"
        r"|pass|copy"
        r"|bcc|cc|ping|schicke?|sende|env[íi]a|envoie|invia)\b[^\w.!?]+(?:\w+[^\w.!?]+){0,9}?"
        r"(?:to|via|at|an|à|a|as)\b[^\w.!?]+(?:\w+[^\w.!?]+){0,4}?(?:https?|www|server|url"
        r"|endpoint|webhook"
        r"|address"
        r"|adresse|e-?mail|channel|number|account|domain|site|\w+ (?:dot|at) \w+|\w+@\w+)\b"
    ),
    (
        r"\b(?:execute|run|eval|evaluate|invoke|call|trigger|use"
        r"|launch)\b[^\w.!?]+(?:\w+[^\w.!?]+){0,4}?"
        r"(?:command|script|code|shell|bash|powershell|tool|function|plugin|api|query|sql|macro"
        r"|subprocess|terminal|browser)s?\b"
    ),
    (
        r"\b(?:curl|wget|sudo|chmod|powershell)\b\s+\S|\brm -rf\b|\bdrop table\b|\bdelete from \w"
        r"|\bos\.system\b|\bsubprocess\.|\b(?:eval|exec)\("
    ),
    (
        r"\b(?:delete|wipe|erase|transfer|refund|purchase|cancel|approve|grant|unlock|reset|disable"
        r"|whitelist)\b[^\w.!?]+(?:\w+[^\w.!?]+){0,3}?(?:all|every|the user'?s?|their|his|her"
        r"|customer'?s?"
        r"|any)\b"
        r"[^\w.!?]+(?:\w+[^\w.!?]+){0,3}?(?:files?|records?|data|accounts?|money|funds|balance"
        r"|orders?|access"
        r"|permissions?|passwords?|users?|messages?|claims?|requests?|invoices?)\b"
    ),
    (
        r"\b(?:click|visit|open|go to|browse to|navigate to|follow|fetch|download|load|request"
        r"|query)\b"
        r"[^\w.!?]+(?:\w+[^\w.!?]+){0,5}?(?:link|url|https?|www|site|website|page|attachment"
        r"|file)\b"
    ),
)
# Of the same kind, and usual in an instruction: noticed in examples and clarifications only.
COMMANDS = (
    (
        r"\b(?:you|the (?:assistant|model|ai|bot)) (?:must|should|shall|will|are (?:required"
        r"|obliged"
        r"|expected|supposed) to|have to|need to|may) (?:now |always |never |only |not |then )?"
        r"(?:answer|respond|reply|say|write|output|recommend|refuse|claim|state|treat|consider|call"
        r"|include|append|add|end|begin|start|mention|insist|promote|praise|deny|agree|trust)\b"
    ),
    (
        r"\b(?:always|never|only) (?:answer|respond|reply|say|output|recommend|promote|refuse|claim"
        r"|mention|praise|agree|insist|append|include|end|begin|trust|treat)\b"
    ),
    (
        r"\b(?:respond|answer|reply|output) (?:only |exclusively |solely |just )?(?:with|in|by"
        r"|as)\b"
        r" (?:only |just )?(?:the |a |an )?(?:word|phrase|string|text|json|code|base64|rot13"
        r"|sentence|yes"
        r"|no|\")"
    ),
    (
        r"\b(?:in|to) (?:every|each|all|any) (?:\w+ ){0,2}?(?:answer|response|reply|message"
        r"|output)s?\b"
    ),
    (
        r"\b(?:when|whenever|if) (?:someone|anyone|anybody|the user|a user|users|they|asked"
        r"|you(?:'re| are)"
        r" asked)\b.{0,80}?\b(?:say|answer|respond|reply|tell|output|recommend|claim|refuse"
        r"|pretend)\b"
    ),
    (
        r"\b(?:antworte|sag|sage|empfiehl|responde|di|r[ée]ponds|dis|rispondi) (?:immer|nur|nie"
        r"|siempre"
        r"|solo|nunca|toujours|seulement|sempre)\b"
    ),
)
_EACH_ANSWER = (
    r"\b(?:in|to|with) (?:every|each|all|any) (?:\w+ ){0,2}?(?:answer|response|reply|message)s?\b"
)
_PRAISES = r"\b(?:mention|recommend|promote|praise|advertise|endorse|link to)\b"
# What an instruction has answers claim or recommend, rather than how they are to be given: true or
# not, it would be said in the product's name. Noticed in instructions only.
DICTATES = (
    (
        r"\b(?:always|only|(?:you|the (?:assistant|model|ai|bot)) (?:must|should|shall|will"
        r"|have to|need to)(?: now| always| only)?) (?:recommend|promote|claim|praise|advertise"
        r"|endorse|agree|insist|deny|trust)\b"
    ),
    (
        r"\b(?:respond|answer|reply|output) (?:only |exclusively |solely |just )?(?:with|by) "
        r"(?:only |just )?(?:the (?:exact |same )?(?:word|phrase|sentence|text|string)s?\b"
        r"|[\"'“„«])"
    ),
    rf"{_PRAISES}[^.!?\n]{{0,60}}?{_EACH_ANSWER}",
    rf"{_EACH_ANSWER}[^.!?\n]{{0,60}}?{_PRAISES}",
    (
        r"(?:^|[.!?:;,\n]\s*|\b(?:always|please|must|should|just) )"
        r"(?:say|claim|insist|pretend|assert"
        r"|tell (?:them|users|people|customers|the (?:user|customer|reader|person)s?)) that\b"
    ),
    (
        r"\b(?:empfiehl|empfehle|erw[äa]hne|behaupte|sage?|recomienda|menciona|di|recommande[sz]?"
        r"|mentionne[sz]?|dis|dites|raccomanda) (?:immer|nur|stets|siempre|solo|toujours|seulement"
        r"|sempre)\b"
    ),
)
