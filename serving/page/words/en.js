// The page's words in English.

export default {
  "page.title": "Predictions",
  "page.loading": "Loading the model…",
  "page.footer": "A prediction is a reason to look closer. It is not a judgment.",
  "nav.skip": "Skip to the prediction",
  "nav.label": "On this page",
  "nav.one": "What if",
  "nav.list": "List",
  "nav.model": "Model",
  "nav.api": "API",
  "nav.language": "Language",
  "key.label": "Enter the API key",
  "key.use": "Log in",
  "key.logout": "Log out ({name})",
  "login.ended": "The login has ended.",
  "login.docs": "Log in to read the documentation, then open it again.",
  stopped: "{by} stopped all answers on {at}: {reason}",

  "api.slow": "The predictor did not respond in time. It may be busy.",
  "api.unreachable": "The predictor cannot be reached. The page retries automatically.",
  "api.status": "The predictor responded with status {status}.",
  "api.noRole": "Your account has no role here. Ask the operator for one of these: {roles}.",
  "api.role":
    "You may look at this page, but not request predictions. That needs one of these roles: " +
    "{roles}. Ask the operator.",

  "odds": "{part} in {whole}",
  "outcome": "have the outcome “{outcome}”",
  "mark.on": "at risk",
  "mark.off": "no sign",
  "mark.unsure": "{mark}, unsure",

  "form.title": "What if: {name}",
  "form.one": "one {subject}",
  "form.label": "Values",
  "form.blank": "not known",
  "form.reset": "Reset to the example",
  "form.back": "Back to the list",

  "sections.search": "Search the values",
  "sections.found": "{count} of {total} values",
  "sections.first": "Most important",
  "sections.numbers": "Numbers",
  "sections.categories": "Categories",
  "sections.others": "Others",

  "risk.name": "Estimated risk",
  "risk.nothing": "no prediction",
  "risk.meter": "{p}; marked from {threshold}",
  "risk.orMore": "{p} or more",
  "risk.frequency":
    "About {odds} {subjects} with such values {verb}; on average, {average} do.",
  "risk.rare":
    "Fewer than 1 in 1,000 {subjects} with such values {verb}; on average, {average} do.",
  "risk.outside": "The model did not learn from such values, so this risk says little.",
  "risk.mark": "Of all {subjects} with the mark “{mark}”, about {odds} {verb}.",
  "risk.below": "The threshold is below the average risk.",

  "stability.same": {
    one:
      "{count} of {total} models that were trained on random halves of the same rows gives " +
      "the same answer.",
    other:
      "{count} of {total} models that were trained on random halves of the same rows give " +
      "the same answer.",
  },
  "stability.unsure":
    "So this answer is unsure: it depends on which {subjects} the model learned from.",

  "reasons.title": "Why",
  "reasons.nothing": "There is no prediction to explain.",
  "reasons.unavailable": "There is no explanation: {reason}",
  "reasons.none":
    "On average the model predicts {base}, here {p}. No value changes it noticeably.",
  "reasons.lowers":
    "On average the model predicts {base}, here {p}. “{name}” lowers it most.",
  "reasons.raises":
    "On average the model predicts {base}, here {p}. “{name}” raises it most.",
  "reasons.value": "Value",
  "reasons.side.lowers": "lowers",
  "reasons.side.raises": "raises",
  "reasons.points": "Percentage points",
  "reasons.average": "Average",
  "reasons.sum": "Sum",
  "reasons.others": { one: "{count} other value", other: "{count} other values" },
  "reasons.logOdds": "Log-odds",
  "reasons.logOdds.none": "The model predicts {p}. No value changes it noticeably.",
  "reasons.logOdds.lowers": "The model predicts {p}. “{name}” lowers it most.",
  "reasons.logOdds.raises": "The model predicts {p}. “{name}” raises it most.",
  "reasons.logOdds.note":
    "The contributions are in log-odds, ln(p / (1 − p)); the sum is the log-odds of {p}.",

  "outside.flag": "outside",
  "outside.blank": "{name} is blank, but the model learned from no blank. The risk may be wrong.",
  "outside.number":
    "{name} is {value}, but the model learned only from {low} to {high}. The risk may be wrong.",
  "outside.category":
    "{name} is {value}, but the model learned only from {choices}. The risk may be wrong.",

  "list.title": "A list of {subjects}",
  "list.drop": "Drop a CSV or Excel file here, or",
  "list.choose": "choose one",
  "list.expected": "One row per {subject}, with the columns {names}",
  "list.expectedMany": "One row per {subject}, with the {count} columns below",
  "list.private": "Do not store this list",
  "list.sent":
    "Your browser sends only the columns that the model needs. Names and other columns stay in " +
    "the browser.",
  "list.stored":
    "The predictor stores the values it receives, without names, to notice when they differ from " +
    "those it learned from.",
  "list.notStored": "The predictor stores nothing of a list.",
  "list.kept": {
    one: "Stored values are deleted after {count} day.",
    other: "Stored values are deleted after {count} days.",
  },
  "list.keptForever":
    "Stored values have no expiry date; whoever runs the predictor can delete them.",
  "list.demo": "Try it with an example",
  "list.template": "Download a template",
  "list.reading": "Reading the file…",
  "list.busy": "The predictor is busy. Trying again…",
  "list.predicted": "Predicted rows",
  "list.progress": "{count} of {total} rows",
  "list.incomplete": "The predictor returned only {count} of {total} rows. Try again.",
  "list.cancel": "Cancel",
  "list.cancelled": "Cancelled. There are no results.",
  "list.only": "Only “{mark}”",
  "list.wide": "All {count} columns",
  "list.download": "Download this list",
  "list.ranked": "Ranked list",
  "list.scale": "The longest bar is the highest risk in this list, {highest}.",
  "list.red": "Red begins at {high}, well above the average of {average}.",
  "list.line": "line {line}",
  "list.rank": "Rank",
  "list.name": "Name",
  "list.risk": "Risk",
  "list.why": "Why",
  "list.whyOf": "Why: {name}",
  "list.shown": "{total} shown",
  "list.shownPart": "{shown} of {total} shown",
  "list.more": "Show more",

  "summary.none": "{mark}",
  "summary.few": "{mark}; fewer than 1 of them is expected to {verb}",
  "summary.some": {
    one: "{mark}; about {count} of them is expected to {verb}",
    other: "{mark}; about {count} of them are expected to {verb}",
  },
  "summary.total": {
    one: "{count} of {total} rows was predicted.",
    other: "{count} of {total} rows were predicted.",
  },
  "summary.outside": {
    one: "{count} has a value that the model did not learn from: {names}.",
    other: "{count} have a value that the model did not learn from: {names}.",
  },

  "mend.title": {
    one: "{count} row could not be read",
    other: "{count} rows could not be read",
  },
  "mend.place": "{place} ({name})",
  "mend.rest": "{count} more; the download lists all of them",
  "mend.submit": "Predict the corrected rows",

  "allowed.title": "What each column may hold",
  "allowed.column": "Column",
  "allowed.meaning": "Meaning",
  "allowed.values": "Values",
  "allowed.whole": "a whole number from {low} to {high}",
  "allowed.number": "a number from {low} to {high}",
  "allowed.date": "a date such as 2026-01-31, or a number from {low} to {high}",
  "allowed.dates": "a number from {low} to {high}; in a list also the dates “{start}” and “{end}”",
  "allowed.category": "{choices}",

  "invalid.whole": "{name} must be a whole number from {low} to {high}, not “{value}”",
  "invalid.number": "{name} must be a number from {low} to {high}, not “{value}”",
  "invalid.date":
    "{name} must be a date such as 2026-01-31, or a number from {low} to {high}, not “{value}”",
  "invalid.dates":
    "{name} needs two dates such as 2026-01-31, or a number from {low} to {high}, not “{value}”",
  "invalid.category": "{name} must be {choices}, not “{value}”",
  "invalid.missing": "{name} is missing",
  "invalid.more": "also invalid: {names}",
  "invalid.width": "the row has {cells} cells, the header {columns}",
  "invalid.quote": "a quote is never closed",

  "header.missing": {
    one: "This column is missing from the file: {names}. Its first line is: {header}",
    other: "These columns are missing from the file: {names}. Its first line is: {header}",
  },
  "header.twice": "More than one column is named {name}. Remove one of them.",

  "file.empty":
    "{name} has no rows. The first line must name the columns; each further line is one row.",
  "file.rows":
    "The file has more than {count} rows. Send it to POST /predict/csv, which has no limit.",
  "file.large": "The file is too large for the browser. Send it to POST /predict/csv as CSV.",
  "file.old":
    "This is an Excel workbook of the old kind (.xls), or one with a password. " +
    "Save it as “CSV UTF-8”.",
  "file.zip": "This is not an Excel workbook that the page can read. Save it as “CSV UTF-8”.",

  "panel.title": "{name}: {p}",
  "panel.loading": "Loading the reasons…",
  "panel.try": "Try other values",
  "panel.close": "Close",

  "sample.name": "{subject} {letter}",

  "model.title": "The model in use",
  "model.none": "No model yet",
  "model.unavailable": "Unavailable",
  "model.unregistered": "not registered",
  "model.serving": "Version {version}, since {since}",
  "model.specialists": "For specialists",
  "model.identity": "Identity",
  "model.quality": "Quality",
  "model.measured":
    "Measured on rows that were not used for training. The line is the 95 % interval.",

  "trust.title": "How far to trust it",
  "trust.average": "About {odds} {subjects} {verb}, marked or not.",
  "trust.precision":
    "Of those with the mark “{mark}”, about {odds} {verb}. The others with the mark do not.",
  "trust.below":
    "{share} of those with the mark have a lower risk than the average, because the " +
    "threshold is below it.",
  "trust.recall":
    "Of 100 {subjects} that {verb}, about {found} have the mark (95 % interval: {low} to {high}).",
  "trust.limits":
    "The model knows only the values in the form. What it does not know can matter more.",

  "links.card": "Model card",
  "links.card.about": "how it was trained, how good it is, and for whom it is worse",
  "links.data": "Data check",
  "links.data.about": "what is unusual about the data it learned from",
  "links.gates": "All gates",
  "links.gates.about": "every bound that this version met before it was used",
  "links.drift": "Drift check",
  "links.drift.about": "whether recent values still resemble those it learned from",

  "fact.name": "Name",
  "fact.version": "Version",
  "fact.alias": "Alias",
  "fact.family": "Family",
  "fact.since": "In use since",
  "fact.created": "Trained",
  "fact.threshold": "Threshold of the mark",
  "fact.run": "MLflow run",
  "fact.pipeline": "Pipeline run",
  "fact.bronze": "Raw data",
  "fact.silver": "Validated data",
  "fact.split": "{split} split",
  "fact.code": "Code",
  "fact.image": "Image",

  "metric.roc_auc": "ROC AUC",
  "metric.roc_auc.meaning": "How well it ranks: 1 is perfect, 0.5 is chance",
  "metric.recall": "Recall",
  "metric.recall.meaning": "Fraction of the positive rows that it marks",
  "metric.precision": "Precision",
  "metric.precision.meaning": "Fraction of the marked rows that are positive",
  "metric.specificity": "Specificity",
  "metric.specificity.meaning": "Fraction of the negative rows that it does not mark",
  "metric.balanced_accuracy": "Balanced accuracy",
  "metric.balanced_accuracy.meaning": "Mean of recall and specificity: 0.5 is chance",
  "metric.pr_auc": "PR AUC",
  "metric.pr_auc.meaning": "Mean precision over all thresholds: chance is the positive rate",
  "metric.brier": "Brier score",
  "metric.brier.meaning": "Mean squared error of its probabilities: lower is better",
  "metric.range": "{low} to {high}",

  "gate.title": "Gates",
  "gate.gate": "Gate",
  "gate.value": "Value",
  "gate.bound": "Bound",
  "gate.verdict": "Verdict",
  "gate.why": "Why",
  "gate.min": "{metric} at least",
  "gate.max": "{metric} at most",
  "gate.passed": "passed",
  "gate.failed": "failed",
  "gate.empty": "nothing to judge",
};
