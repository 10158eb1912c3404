// The page's words in German.

export default {
  "page.title": "Vorhersagen",
  "page.loading": "Das Modell wird geladen …",
  "page.footer": "Eine Vorhersage ist ein Anlass, genauer hinzusehen. Sie ist kein Urteil.",
  "nav.skip": "Zur Vorhersage springen",
  "nav.label": "Auf dieser Seite",
  "nav.one": "Was wäre, wenn",
  "nav.list": "Liste",
  "nav.model": "Modell",
  "nav.api": "API",
  "nav.language": "Sprache",
  "key.label": "API-Schlüssel eingeben",
  "key.use": "Anmelden",
  "key.logout": "Abmelden ({name})",
  "login.ended": "Die Anmeldung ist abgelaufen.",
  "login.docs":
    "Melden Sie sich an, um die Dokumentation zu lesen, und öffnen Sie sie dann noch einmal.",
  stopped: "{by} hat alle Antworten angehalten ({at}): {reason}",

  "api.slow": "Der Dienst hat nicht rechtzeitig geantwortet. Vielleicht ist er überlastet.",
  "api.unreachable": "Der Dienst ist nicht erreichbar. Die Seite versucht es weiter.",
  "api.status": "Der Dienst hat mit dem Status {status} geantwortet.",
  "api.noRole":
    "Ihr Konto hat hier keine Rolle. Fragen Sie den Betreiber nach einer von diesen: {roles}.",
  "api.role":
    "Sie dürfen diese Seite ansehen, aber keine Vorhersagen abrufen. Dafür ist eine dieser " +
    "Rollen nötig: {roles}. Fragen Sie den Betreiber.",

  "odds": "{part} von {whole}",
  "outcome": "haben das Ergebnis „{outcome}“",
  "mark.on": "gefährdet",
  "mark.off": "unauffällig",
  "mark.unsure": "{mark}, unsicher",

  "form.title": "Was wäre, wenn: {name}",
  "form.one": "Beispiel",
  "form.label": "Werte",
  "form.blank": "nicht bekannt",
  "form.reset": "Zurück zum Beispiel",
  "form.back": "Zurück zur Liste",

  "sections.search": "Werte suchen",
  "sections.found": "{count} von {total} Werten",
  "sections.first": "Wichtigste",
  "sections.numbers": "Zahlen",
  "sections.categories": "Kategorien",
  "sections.others": "Weitere",

  "risk.name": "Geschätztes Risiko",
  "risk.nothing": "keine Vorhersage",
  "risk.meter": "{p}; markiert ab {threshold}",
  "risk.orMore": "{p} oder mehr",
  "risk.frequency":
    "Mit solchen Werten kommt das Ergebnis „{outcome}“ bei etwa {odds} vor, " +
    "im Durchschnitt bei {average}.",
  "risk.rare":
    "Mit solchen Werten kommt das Ergebnis „{outcome}“ bei weniger als 1 von 1.000 vor, " +
    "im Durchschnitt bei {average}.",
  "risk.outside": "Das Modell hat aus solchen Werten nicht gelernt; dieses Risiko sagt wenig aus.",
  "risk.mark":
    "Unter allen mit der Markierung „{mark}“ kommt das Ergebnis „{outcome}“ bei etwa {odds} vor.",
  "risk.below": "Die Schwelle liegt unter dem durchschnittlichen Risiko.",

  "stability.same": {
    one:
      "{count} von {total} Modellen, die aus zufälligen Hälften derselben Zeilen gelernt " +
      "haben, gibt dieselbe Antwort.",
    other:
      "{count} von {total} Modellen, die aus zufälligen Hälften derselben Zeilen gelernt " +
      "haben, geben dieselbe Antwort.",
  },
  "stability.unsure":
    "Diese Antwort ist also unsicher: Sie hängt davon ab, aus welchen Zeilen das Modell " +
    "gelernt hat.",

  "reasons.title": "Warum",
  "reasons.nothing": "Es gibt keine Vorhersage zu erklären.",
  "reasons.unavailable": "Es gibt keine Erklärung: {reason}",
  "reasons.none":
    "Im Durchschnitt sagt das Modell {base} voraus, hier {p}. Kein Wert ändert das merklich.",
  "reasons.lowers":
    "Im Durchschnitt sagt das Modell {base} voraus, hier {p}. Am meisten senkt „{name}“.",
  "reasons.raises":
    "Im Durchschnitt sagt das Modell {base} voraus, hier {p}. Am meisten erhöht „{name}“.",
  "reasons.value": "Wert",
  "reasons.side.lowers": "senkt",
  "reasons.side.raises": "erhöht",
  "reasons.points": "Prozentpunkte",
  "reasons.average": "Durchschnitt",
  "reasons.sum": "Summe",
  "reasons.others": { one: "{count} weiterer Wert", other: "{count} weitere Werte" },
  "reasons.logOdds": "Logit",
  "reasons.logOdds.none": "Das Modell sagt {p} voraus. Kein Wert ändert das merklich.",
  "reasons.logOdds.lowers": "Das Modell sagt {p} voraus. Am meisten senkt „{name}“.",
  "reasons.logOdds.raises": "Das Modell sagt {p} voraus. Am meisten erhöht „{name}“.",
  "reasons.logOdds.note":
    "Die Beiträge sind Logits, ln(p / (1 − p)); die Summe ist der Logit von {p}.",

  "outside.flag": "außerhalb",
  "outside.blank":
    "{name} ist leer, aber das Modell hat aus keinem leeren Wert gelernt. " +
    "Das Risiko kann falsch sein.",
  "outside.number":
    "{name} ist {value}, aber das Modell hat nur von {low} bis {high} gelernt. " +
    "Das Risiko kann falsch sein.",
  "outside.category":
    "{name} ist {value}, aber das Modell hat nur aus {choices} gelernt. " +
    "Das Risiko kann falsch sein.",

  "list.title": "Eine Liste",
  "list.drop": "CSV- oder Excel-Datei hier ablegen oder",
  "list.choose": "auswählen",
  "list.expected": "Eine Zeile pro Person oder Fall, mit den Spalten {names}",
  "list.expectedMany": "Eine Zeile pro Person oder Fall, mit den {count} Spalten unten",
  "list.private": "Diese Liste nicht speichern",
  "list.sent":
    "Ihr Browser sendet nur die Spalten, die das Modell braucht. Namen und andere Spalten " +
    "bleiben im Browser.",
  "list.stored":
    "Der Dienst speichert die empfangenen Werte ohne Namen, um zu bemerken, wenn sie von denen " +
    "abweichen, aus denen das Modell gelernt hat.",
  "list.notStored": "Der Dienst speichert nichts von einer Liste.",
  "list.kept": {
    one: "Gespeicherte Werte werden nach {count} Tag gelöscht.",
    other: "Gespeicherte Werte werden nach {count} Tagen gelöscht.",
  },
  "list.keptForever":
    "Gespeicherte Werte haben kein Ablaufdatum; wer den Dienst betreibt, kann sie löschen.",
  "list.demo": "Mit einem Beispiel ausprobieren",
  "list.template": "Vorlage herunterladen",
  "list.reading": "Die Datei wird gelesen …",
  "list.busy": "Der Dienst ist überlastet. Neuer Versuch …",
  "list.predicted": "Vorhergesagte Zeilen",
  "list.progress": "{count} von {total} Zeilen",
  "list.incomplete":
    "Der Dienst hat nur {count} von {total} Zeilen geliefert. Versuchen Sie es noch einmal.",
  "list.cancel": "Abbrechen",
  "list.cancelled": "Abgebrochen. Es gibt keine Ergebnisse.",
  "list.only": "Nur „{mark}“",
  "list.wide": "Alle {count} Spalten",
  "list.download": "Diese Liste herunterladen",
  "list.ranked": "Liste nach Risiko",
  "list.scale": "Der längste Balken ist das höchste Risiko in dieser Liste, {highest}.",
  "list.red": "Rot beginnt bei {high}, deutlich über dem Durchschnitt von {average}.",
  "list.line": "Zeile {line}",
  "list.rank": "Rang",
  "list.name": "Name",
  "list.risk": "Risiko",
  "list.why": "Warum",
  "list.whyOf": "Warum: {name}",
  "list.shown": "{total} angezeigt",
  "list.shownPart": "{shown} von {total} angezeigt",
  "list.more": "Mehr anzeigen",

  "summary.none": "{mark}",
  "summary.few": "{mark}; bei weniger als 1 davon ist das Ergebnis „{outcome}“ zu erwarten",
  "summary.some": "{mark}; bei etwa {count} davon ist das Ergebnis „{outcome}“ zu erwarten",
  "summary.total": {
    one: "{count} von {total} Zeilen wurde vorhergesagt.",
    other: "{count} von {total} Zeilen wurden vorhergesagt.",
  },
  "summary.outside": {
    one: "{count} hat einen Wert, aus dem das Modell nicht gelernt hat: {names}.",
    other: "{count} haben einen Wert, aus dem das Modell nicht gelernt hat: {names}.",
  },

  "mend.title": {
    one: "{count} Zeile konnte nicht gelesen werden",
    other: "{count} Zeilen konnten nicht gelesen werden",
  },
  "mend.place": "{place} ({name})",
  "mend.rest": "{count} weitere; die heruntergeladene Liste enthält alle",
  "mend.submit": "Korrigierte Zeilen vorhersagen",

  "allowed.title": "Was in jeder Spalte stehen darf",
  "allowed.column": "Spalte",
  "allowed.meaning": "Bedeutung",
  "allowed.values": "Werte",
  "allowed.whole": "eine ganze Zahl von {low} bis {high}",
  "allowed.number": "eine Zahl von {low} bis {high}",
  "allowed.date": "ein Datum wie 2026-01-31 oder eine Zahl von {low} bis {high}",
  "allowed.dates":
    "eine Zahl von {low} bis {high}; in einer Liste auch die Daten „{start}“ und „{end}“",
  "allowed.category": "{choices}",

  "invalid.whole": "{name} muss eine ganze Zahl von {low} bis {high} sein, nicht „{value}“",
  "invalid.number": "{name} muss eine Zahl von {low} bis {high} sein, nicht „{value}“",
  "invalid.date":
    "{name} muss ein Datum wie 2026-01-31 oder eine Zahl von {low} bis {high} sein, " +
    "nicht „{value}“",
  "invalid.dates":
    "{name} braucht zwei Daten wie 2026-01-31 oder eine Zahl von {low} bis {high}, " +
    "nicht „{value}“",
  "invalid.category": "{name} muss {choices} sein, nicht „{value}“",
  "invalid.missing": "{name} fehlt",
  "invalid.more": "ebenfalls ungültig: {names}",
  "invalid.width": "die Zeile hat {cells} Zellen, die Kopfzeile {columns}",
  "invalid.quote": "ein Anführungszeichen wird nie geschlossen",

  "header.missing": {
    one: "In der Datei fehlt diese Spalte: {names}. Die erste Zeile lautet: {header}",
    other: "In der Datei fehlen diese Spalten: {names}. Die erste Zeile lautet: {header}",
  },
  "header.twice": "Mehr als eine Spalte heißt {name}. Entfernen Sie eine davon.",

  "file.empty":
    "{name} hat keine Zeilen. Die erste Zeile muss die Spalten nennen; " +
    "jede weitere ist ein Eintrag.",
  "file.rows":
    "Die Datei hat mehr als {count} Zeilen. Senden Sie sie an POST /predict/csv, ohne Grenze.",
  "file.large":
    "Die Datei ist zu groß für den Browser. Senden Sie sie als CSV an POST /predict/csv.",
  "file.old":
    "Das ist eine Excel-Arbeitsmappe der alten Art (.xls) oder mit Kennwort. " +
    "Speichern Sie sie als „CSV UTF-8“.",
  "file.zip":
    "Das ist keine Excel-Arbeitsmappe, die diese Seite lesen kann. " +
    "Speichern Sie sie als „CSV UTF-8“.",

  "panel.title": "{name}: {p}",
  "panel.loading": "Die Gründe werden geladen …",
  "panel.try": "Andere Werte ausprobieren",
  "panel.close": "Schließen",

  "sample.name": "{subject} {letter}",

  "model.title": "Das verwendete Modell",
  "model.none": "Noch kein Modell",
  "model.unavailable": "Nicht verfügbar",
  "model.unregistered": "nicht registriert",
  "model.serving": "Version {version}, seit {since}",
  "model.specialists": "Für Fachleute",
  "model.identity": "Herkunft",
  "model.quality": "Qualität",
  "model.measured":
    "Gemessen an Zeilen, die nicht zum Training dienten. " +
    "Die Linie ist das 95-%-Konfidenzintervall.",

  "trust.title": "Wie weit man ihm trauen kann",
  "trust.average":
    "Insgesamt kommt das Ergebnis „{outcome}“ bei etwa {odds} vor, markiert oder nicht.",
  "trust.precision":
    "Unter denen mit der Markierung „{mark}“ kommt das Ergebnis „{outcome}“ bei etwa {odds} " +
    "vor. Die übrigen Markierten haben es nicht.",
  "trust.below":
    "{share} der Markierten haben ein kleineres Risiko als der Durchschnitt, weil die " +
    "Schwelle darunter liegt.",
  "trust.recall":
    "Von 100 mit dem Ergebnis „{outcome}“ sind etwa {found} markiert " +
    "(95-%-Intervall: {low} bis {high}).",
  "trust.limits":
    "Das Modell kennt nur die Werte im Formular. Was es nicht kennt, kann wichtiger sein.",

  "links.card": "Modellkarte",
  "links.card.about": "wie es trainiert wurde, wie gut es ist und für wen es schlechter ist",
  "links.data": "Datenprüfung",
  "links.data.about": "was an den Daten auffällt, aus denen es gelernt hat",
  "links.gates": "Alle Prüfungen",
  "links.gates.about": "jede Grenze, die diese Version vor ihrem Einsatz eingehalten hat",
  "links.drift": "Drift-Prüfung",
  "links.drift.about": "ob die neuesten Werte noch denen ähneln, aus denen es gelernt hat",

  "fact.name": "Name",
  "fact.version": "Version",
  "fact.alias": "Alias",
  "fact.family": "Modellfamilie",
  "fact.since": "Verwendet seit",
  "fact.created": "Trainiert",
  "fact.threshold": "Schwelle der Markierung",
  "fact.run": "MLflow-Lauf",
  "fact.pipeline": "Pipeline-Lauf",
  "fact.bronze": "Rohdaten",
  "fact.silver": "Geprüfte Daten",
  "fact.split": "Datensatz „{split}“",
  "fact.code": "Code",
  "fact.image": "Image",

  "metric.roc_auc": "ROC AUC",
  "metric.roc_auc.meaning": "Wie gut es ordnet: 1 ist perfekt, 0,5 ist Zufall",
  "metric.recall": "Trefferquote (Recall)",
  "metric.recall.meaning": "Anteil der positiven Zeilen, die es markiert",
  "metric.precision": "Genauigkeit (Precision)",
  "metric.precision.meaning": "Anteil der markierten Zeilen, die positiv sind",
  "metric.specificity": "Spezifität",
  "metric.specificity.meaning": "Anteil der negativen Zeilen, die es nicht markiert",
  "metric.balanced_accuracy": "Balancierte Genauigkeit",
  "metric.balanced_accuracy.meaning": "Mittel aus Recall und Spezifität: 0,5 ist Zufall",
  "metric.pr_auc": "PR AUC",
  "metric.pr_auc.meaning": "Mittlere Precision über alle Schwellen: Zufall ist die positive Rate",
  "metric.brier": "Brier-Score",
  "metric.brier.meaning":
    "Mittlerer quadratischer Fehler der Wahrscheinlichkeiten: kleiner ist besser",
  "metric.range": "{low} bis {high}",

  "gate.title": "Prüfungen",
  "gate.gate": "Prüfung",
  "gate.value": "Wert",
  "gate.bound": "Grenze",
  "gate.verdict": "Urteil",
  "gate.why": "Warum",
  "gate.min": "{metric} mindestens",
  "gate.max": "{metric} höchstens",
  "gate.passed": "bestanden",
  "gate.failed": "nicht bestanden",
  "gate.empty": "nichts zu prüfen",
};
