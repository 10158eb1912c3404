// The page's words in French.

export default {
  "page.title": "Prédictions",
  "page.loading": "Chargement du modèle…",
  "page.footer": "Une prédiction est une raison d’y regarder de plus près. Ce n’est pas un jugement.",
  "nav.skip": "Aller à la prédiction",
  "nav.label": "Sur cette page",
  "nav.one": "Et si",
  "nav.list": "Liste",
  "nav.model": "Modèle",
  "nav.api": "API",
  "nav.language": "Langue",
  "key.label": "Saisissez la clé de l’API",
  "key.use": "Se connecter",
  "key.logout": "Se déconnecter ({name})",
  "login.ended": "La session a expiré.",
  "login.docs": "Connectez-vous pour lire la documentation, puis rouvrez-la.",
  stopped: "{by} a arrêté toutes les réponses le {at} : {reason}",

  "api.slow": "Le service n’a pas répondu à temps. Il est peut-être occupé.",
  "api.unreachable": "Le service est injoignable. La page réessaie automatiquement.",
  "api.status": "Le service a répondu avec le statut {status}.",
  "api.noRole":
    "Votre compte n’a aucun rôle ici. Demandez à l’opérateur l’un de ceux-ci : {roles}.",
  "api.role":
    "Vous pouvez consulter cette page, mais pas demander de prédictions. Il faut pour cela " +
    "l’un de ces rôles : {roles}. Adressez-vous à l’opérateur.",

  "odds": "{part} sur {whole}",
  "outcome": "ont le résultat « {outcome} »",
  "mark.on": "à risque",
  "mark.off": "aucun signe",
  "mark.unsure": "{mark}, incertain",

  "form.title": "Et si : {name}",
  "form.one": "un exemple",
  "form.label": "Valeurs",
  "form.blank": "inconnu",
  "form.reset": "Revenir à l’exemple",
  "form.back": "Retour à la liste",

  "sections.search": "Chercher des valeurs",
  "sections.found": "{count} valeurs sur {total}",
  "sections.first": "Les plus importantes",
  "sections.numbers": "Nombres",
  "sections.categories": "Catégories",
  "sections.others": "Autres",

  "risk.name": "Risque estimé",
  "risk.nothing": "aucune prédiction",
  "risk.meter": "{p} ; marqué à partir de {threshold}",
  "risk.orMore": "{p} ou plus",
  "risk.frequency":
    "Avec de telles valeurs, le résultat « {outcome} » concerne environ {odds} ; " +
    "en moyenne, {average}.",
  "risk.rare":
    "Avec de telles valeurs, le résultat « {outcome} » concerne moins de 1 sur 1 000 ; " +
    "en moyenne, {average}.",
  "risk.outside": "Le modèle n’a pas appris de telles valeurs ; ce risque ne dit pas grand-chose.",
  "risk.mark":
    "Parmi tous ceux qui portent la marque « {mark} », le résultat « {outcome} » concerne " +
    "environ {odds}.",
  "risk.below": "Le seuil est inférieur au risque moyen.",

  "stability.same": {
    one:
      "{count} modèle sur {total}, entraîné sur une moitié au hasard des mêmes lignes, donne " +
      "la même réponse.",
    other:
      "{count} modèles sur {total}, entraînés sur des moitiés au hasard des mêmes lignes, " +
      "donnent la même réponse.",
  },
  "stability.unsure":
    "Cette réponse est donc incertaine : elle dépend des lignes dont le modèle a appris.",

  "reasons.title": "Pourquoi",
  "reasons.nothing": "Il n’y a aucune prédiction à expliquer.",
  "reasons.unavailable": "Il n’y a pas d’explication : {reason}",
  "reasons.none":
    "En moyenne, le modèle prédit {base} ; ici, {p}. Aucune valeur ne la change nettement.",
  "reasons.lowers":
    "En moyenne, le modèle prédit {base} ; ici, {p}. " +
    "C’est « {name} » qui baisse le plus le risque.",
  "reasons.raises":
    "En moyenne, le modèle prédit {base} ; ici, {p}. " +
    "C’est « {name} » qui augmente le plus le risque.",
  "reasons.value": "Valeur",
  "reasons.side.lowers": "baisse",
  "reasons.side.raises": "hausse",
  "reasons.points": "Points de pourcentage",
  "reasons.average": "Moyenne",
  "reasons.sum": "Somme",
  "reasons.others": { one: "{count} autre valeur", other: "{count} autres valeurs" },
  "reasons.logOdds": "Logit",
  "reasons.logOdds.none": "Le modèle prédit {p}. Aucune valeur ne la change nettement.",
  "reasons.logOdds.lowers":
    "Le modèle prédit {p}. C’est « {name} » qui baisse le plus le risque.",
  "reasons.logOdds.raises":
    "Le modèle prédit {p}. C’est « {name} » qui augmente le plus le risque.",
  "reasons.logOdds.note":
    "Les contributions sont des logits, ln(p / (1 − p)) ; la somme est le logit de {p}.",

  "outside.flag": "hors limites",
  "outside.blank":
    "{name} est vide, mais le modèle n’a appris d’aucune valeur vide. Le risque peut être faux.",
  "outside.number":
    "{name} vaut {value}, mais le modèle n’a appris que de {low} à {high}. " +
    "Le risque peut être faux.",
  "outside.category":
    "{name} vaut {value}, mais le modèle n’a appris que de {choices}. Le risque peut être faux.",

  "list.title": "Une liste",
  "list.drop": "Déposez ici un fichier CSV ou Excel, ou",
  "list.choose": "choisissez-en un",
  "list.expected": "Une ligne par personne ou par cas, avec les colonnes {names}",
  "list.expectedMany": "Une ligne par personne ou par cas, avec les {count} colonnes ci-dessous",
  "list.private": "Ne pas enregistrer cette liste",
  "list.sent":
    "Votre navigateur n’envoie que les colonnes dont le modèle a besoin. Les noms et les " +
    "autres colonnes restent dans le navigateur.",
  "list.stored":
    "Le service enregistre les valeurs reçues, sans les noms, pour remarquer si elles diffèrent " +
    "de celles dont le modèle a appris.",
  "list.notStored": "Le service n’enregistre rien d’une liste.",
  "list.kept": {
    one: "Les valeurs enregistrées sont supprimées après {count} jour.",
    other: "Les valeurs enregistrées sont supprimées après {count} jours.",
  },
  "list.keptForever":
    "Les valeurs enregistrées n’ont pas de date d’expiration ; " +
    "la personne qui gère le service peut les supprimer.",
  "list.demo": "Essayer avec un exemple",
  "list.template": "Télécharger un modèle de fichier",
  "list.reading": "Lecture du fichier…",
  "list.busy": "Le service est occupé. Nouvel essai…",
  "list.predicted": "Lignes prédites",
  "list.progress": "{count} sur {total} lignes",
  "list.incomplete": "Le service n’a renvoyé que {count} lignes sur {total}. Réessayez.",
  "list.cancel": "Annuler",
  "list.cancelled": "Annulé. Il n’y a pas de résultat.",
  "list.only": "Seulement « {mark} »",
  "list.wide": "Les {count} colonnes",
  "list.download": "Télécharger cette liste",
  "list.ranked": "Liste par risque",
  "list.scale": "La barre la plus longue est le risque le plus élevé de cette liste, {highest}.",
  "list.red": "Le rouge commence à {high}, bien au-dessus de la moyenne de {average}.",
  "list.line": "ligne {line}",
  "list.rank": "Rang",
  "list.name": "Nom",
  "list.risk": "Risque",
  "list.why": "Pourquoi",
  "list.whyOf": "Pourquoi : {name}",
  "list.shown": "{total} affichées",
  "list.shownPart": "{shown} sur {total} affichées",
  "list.more": "Afficher plus",

  "summary.none": "{mark}",
  "summary.few": "{mark} ; le résultat « {outcome} » est attendu pour moins de 1 d’entre eux",
  "summary.some":
    "{mark} ; le résultat « {outcome} » est attendu pour environ {count} d’entre eux",
  "summary.total": {
    one: "{count} ligne sur {total} a une prédiction.",
    other: "{count} lignes sur {total} ont une prédiction.",
  },
  "summary.outside": {
    one: "{count} a une valeur dont le modèle n’a rien appris : {names}.",
    other: "{count} ont une valeur dont le modèle n’a rien appris : {names}.",
  },

  "mend.title": {
    one: "{count} ligne n’a pas pu être lue",
    other: "{count} lignes n’ont pas pu être lues",
  },
  "mend.place": "{place} ({name})",
  "mend.rest": "{count} autres ; le fichier téléchargé les contient toutes",
  "mend.submit": "Prédire les lignes corrigées",

  "allowed.title": "Ce que chaque colonne peut contenir",
  "allowed.column": "Colonne",
  "allowed.meaning": "Signification",
  "allowed.values": "Valeurs",
  "allowed.whole": "un nombre entier de {low} à {high}",
  "allowed.number": "un nombre de {low} à {high}",
  "allowed.date": "une date comme 2026-01-31 ou un nombre de {low} à {high}",
  "allowed.dates":
    "un nombre de {low} à {high} ; dans une liste aussi les dates « {start} » et « {end} »",
  "allowed.category": "{choices}",

  "invalid.whole": "{name} doit être un nombre entier de {low} à {high}, et non « {value} »",
  "invalid.number": "{name} doit être un nombre de {low} à {high}, et non « {value} »",
  "invalid.date":
    "{name} doit être une date comme 2026-01-31 ou un nombre de {low} à {high}, et non « {value} »",
  "invalid.dates":
    "{name} demande deux dates comme 2026-01-31 ou un nombre de {low} à {high}, " +
    "et non « {value} »",
  "invalid.category": "{name} doit être {choices}, et non « {value} »",
  "invalid.missing": "{name} manque",
  "invalid.more": "ne sont pas valides non plus : {names}",
  "invalid.width": "la ligne a {cells} cellules, l’en-tête {columns}",
  "invalid.quote": "un guillemet n’est jamais fermé",

  "header.missing": {
    one: "Il manque cette colonne dans le fichier : {names}. Sa première ligne est : {header}",
    other: "Il manque ces colonnes dans le fichier : {names}. Sa première ligne est : {header}",
  },
  "header.twice": "Plusieurs colonnes s’appellent {name}. Supprimez-en une.",

  "file.empty":
    "{name} n’a pas de lignes. La première ligne doit nommer les colonnes ; " +
    "chaque ligne suivante est une entrée.",
  "file.rows":
    "Le fichier a plus de {count} lignes. Envoyez-le à POST /predict/csv, qui n’a pas de limite.",
  "file.large":
    "Le fichier est trop grand pour le navigateur. Envoyez-le en CSV à POST /predict/csv.",
  "file.old":
    "C’est un classeur Excel de l’ancien format (.xls) ou avec un mot de passe. " +
    "Enregistrez-le en « CSV UTF-8 ».",
  "file.zip":
    "Ce n’est pas un classeur Excel que cette page peut lire. Enregistrez-le en « CSV UTF-8 ».",

  "panel.title": "{name} : {p}",
  "panel.loading": "Chargement des raisons…",
  "panel.try": "Essayer d’autres valeurs",
  "panel.close": "Fermer",

  "sample.name": "{subject} {letter}",

  "model.title": "Le modèle utilisé",
  "model.none": "Pas encore de modèle",
  "model.unavailable": "Indisponible",
  "model.unregistered": "non enregistré",
  "model.serving": "Version {version}, depuis {since}",
  "model.specialists": "Pour les spécialistes",
  "model.identity": "Provenance",
  "model.quality": "Qualité",
  "model.measured":
    "Mesurée sur des lignes qui n’ont pas servi à l’entraînement. " +
    "Le trait est l’intervalle à 95 %.",

  "trust.title": "Jusqu’où s’y fier",
  "trust.average":
    "Au total, le résultat « {outcome} » concerne environ {odds}, avec ou sans marque.",
  "trust.precision":
    "Parmi ceux qui portent la marque « {mark} », le résultat « {outcome} » concerne " +
    "environ {odds}. Il ne concerne pas les autres.",
  "trust.below":
    "{share} de ceux qui portent la marque ont un risque inférieur à la moyenne, car le " +
    "seuil est plus bas.",
  "trust.recall":
    "Sur 100 avec le résultat « {outcome} », environ {found} portent la marque " +
    "(intervalle à 95 % : de {low} à {high}).",
  "trust.limits":
    "Le modèle ne connaît que les valeurs du formulaire. " +
    "Ce qu’il ne connaît pas peut compter davantage.",

  "links.card": "Fiche du modèle",
  "links.card.about": "comment il a été entraîné, sa qualité, et pour qui il est moins bon",
  "links.data": "Contrôle des données",
  "links.data.about": "ce que les données dont il a appris ont d’inhabituel",
  "links.gates": "Tous les contrôles",
  "links.gates.about": "chaque limite que cette version a respectée avant d’être utilisée",
  "links.drift": "Contrôle de dérive",
  "links.drift.about": "si les valeurs récentes ressemblent encore à celles dont il a appris",

  "fact.name": "Nom",
  "fact.version": "Version",
  "fact.alias": "Alias",
  "fact.family": "Famille",
  "fact.since": "Utilisé depuis",
  "fact.created": "Entraîné",
  "fact.threshold": "Seuil de la marque",
  "fact.run": "Exécution MLflow",
  "fact.pipeline": "Exécution du pipeline",
  "fact.bronze": "Données brutes",
  "fact.silver": "Données validées",
  "fact.split": "Jeu « {split} »",
  "fact.code": "Code",
  "fact.image": "Image",

  "metric.roc_auc": "ROC AUC",
  "metric.roc_auc.meaning": "Qualité du classement : 1 est parfait, 0,5 est le hasard",
  "metric.recall": "Rappel",
  "metric.recall.meaning": "Part des lignes positives qu’il marque",
  "metric.precision": "Précision",
  "metric.precision.meaning": "Part des lignes marquées qui sont positives",
  "metric.specificity": "Spécificité",
  "metric.specificity.meaning": "Part des lignes négatives qu’il ne marque pas",
  "metric.balanced_accuracy": "Exactitude équilibrée",
  "metric.balanced_accuracy.meaning": "Moyenne du rappel et de la spécificité : 0,5 est le hasard",
  "metric.pr_auc": "PR AUC",
  "metric.pr_auc.meaning": "Précision moyenne sur tous les seuils : le hasard est le taux positif",
  "metric.brier": "Score de Brier",
  "metric.brier.meaning": "Erreur quadratique moyenne de ses probabilités : plus bas est mieux",
  "metric.range": "de {low} à {high}",

  "gate.title": "Contrôles",
  "gate.gate": "Contrôle",
  "gate.value": "Valeur",
  "gate.bound": "Limite",
  "gate.verdict": "Verdict",
  "gate.why": "Pourquoi",
  "gate.min": "{metric} au moins",
  "gate.max": "{metric} au plus",
  "gate.passed": "réussi",
  "gate.failed": "échoué",
  "gate.empty": "rien à juger",
};
