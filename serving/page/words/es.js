// The page's words in Spanish.

export default {
  "page.title": "Predicciones",
  "page.loading": "Cargando el modelo…",
  "page.footer": "Una predicción es un motivo para mirar con más atención. No es un juicio.",
  "nav.skip": "Ir a la predicción",
  "nav.label": "En esta página",
  "nav.one": "Qué pasaría si",
  "nav.list": "Lista",
  "nav.model": "Modelo",
  "nav.api": "API",
  "nav.language": "Idioma",
  "key.label": "Introduzca la clave de la API",
  "key.use": "Iniciar sesión",
  "key.logout": "Cerrar sesión ({name})",
  "login.ended": "La sesión ha terminado.",
  "login.docs": "Inicie sesión para leer la documentación y vuelva a abrirla.",
  stopped: "{by} detuvo todas las respuestas el {at}: {reason}",

  "api.slow": "El servicio no respondió a tiempo. Puede estar ocupado.",
  "api.unreachable": "No se puede conectar con el servicio. La página lo sigue intentando.",
  "api.status": "El servicio respondió con el estado {status}.",
  "api.noRole": "Su cuenta no tiene ningún rol aquí. Pida al operador uno de estos: {roles}.",
  "api.role":
    "Puede ver esta página, pero no pedir predicciones. Para ello se necesita uno de estos " +
    "roles: {roles}. Pregunte al operador.",

  "odds": "{part} de cada {whole}",
  "outcome": "tienen el resultado «{outcome}»",
  "mark.on": "en riesgo",
  "mark.off": "sin indicios",
  "mark.unsure": "{mark}, dudoso",

  "form.title": "Qué pasaría si: {name}",
  "form.one": "un ejemplo",
  "form.label": "Valores",
  "form.blank": "no se sabe",
  "form.reset": "Volver al ejemplo",
  "form.back": "Volver a la lista",

  "sections.search": "Buscar valores",
  "sections.found": "{count} de {total} valores",
  "sections.first": "Los más importantes",
  "sections.numbers": "Números",
  "sections.categories": "Categorías",
  "sections.others": "Otros",

  "risk.name": "Riesgo estimado",
  "risk.nothing": "sin predicción",
  "risk.meter": "{p}; con marca desde {threshold}",
  "risk.orMore": "{p} o más",
  "risk.frequency":
    "Con estos valores, el resultado «{outcome}» se da en alrededor de {odds}; " +
    "en promedio, en {average}.",
  "risk.rare":
    "Con estos valores, el resultado «{outcome}» se da en menos de 1 de cada 1000; " +
    "en promedio, en {average}.",
  "risk.outside": "El modelo no aprendió de estos valores; este riesgo dice poco.",
  "risk.mark":
    "Entre todos los que llevan la marca «{mark}», el resultado «{outcome}» se da en " +
    "alrededor de {odds}.",
  "risk.below": "El umbral está por debajo del riesgo medio.",

  "stability.same": {
    one:
      "{count} de {total} modelos entrenados con mitades al azar de las mismas filas da la " +
      "misma respuesta.",
    other:
      "{count} de {total} modelos entrenados con mitades al azar de las mismas filas dan la " +
      "misma respuesta.",
  },
  "stability.unsure":
    "Así que esta respuesta es dudosa: depende de las filas de las que aprendió el modelo.",

  "reasons.title": "Por qué",
  "reasons.nothing": "No hay ninguna predicción que explicar.",
  "reasons.unavailable": "No hay explicación: {reason}",
  "reasons.none":
    "En promedio, el modelo predice {base}; aquí, {p}. Ningún valor lo cambia de forma apreciable.",
  "reasons.lowers":
    "En promedio, el modelo predice {base}; aquí, {p}. Lo que más lo baja es «{name}».",
  "reasons.raises":
    "En promedio, el modelo predice {base}; aquí, {p}. Lo que más lo sube es «{name}».",
  "reasons.value": "Valor",
  "reasons.side.lowers": "baja",
  "reasons.side.raises": "sube",
  "reasons.points": "Puntos porcentuales",
  "reasons.average": "Promedio",
  "reasons.sum": "Suma",
  "reasons.others": { one: "{count} valor más", other: "{count} valores más" },
  "reasons.logOdds": "Logit",
  "reasons.logOdds.none":
    "El modelo predice {p}. Ningún valor lo cambia de forma apreciable.",
  "reasons.logOdds.lowers": "El modelo predice {p}. Lo que más lo baja es «{name}».",
  "reasons.logOdds.raises": "El modelo predice {p}. Lo que más lo sube es «{name}».",
  "reasons.logOdds.note":
    "Las contribuciones son logits, ln(p / (1 − p)); la suma es el logit de {p}.",

  "outside.flag": "fuera",
  "outside.blank":
    "{name} está vacío, pero el modelo no aprendió de ningún valor vacío. " +
    "El riesgo puede ser erróneo.",
  "outside.number":
    "{name} es {value}, pero el modelo solo aprendió de {low} a {high}. " +
    "El riesgo puede ser erróneo.",
  "outside.category":
    "{name} es {value}, pero el modelo solo aprendió de {choices}. El riesgo puede ser erróneo.",

  "list.title": "Una lista",
  "list.drop": "Suelte aquí un archivo CSV o de Excel, o",
  "list.choose": "elija uno",
  "list.expected": "Una fila por persona o caso, con las columnas {names}",
  "list.expectedMany": "Una fila por persona o caso, con las {count} columnas de abajo",
  "list.private": "No guardar esta lista",
  "list.sent":
    "Su navegador envía solo las columnas que necesita el modelo. Los nombres y las demás " +
    "columnas se quedan en el navegador.",
  "list.stored":
    "El servicio guarda los valores que recibe, sin nombres, para notar si difieren de aquellos " +
    "de los que aprendió el modelo.",
  "list.notStored": "El servicio no guarda nada de una lista.",
  "list.kept": {
    one: "Los valores guardados se borran después de {count} día.",
    other: "Los valores guardados se borran después de {count} días.",
  },
  "list.keptForever":
    "Los valores guardados no tienen fecha de caducidad; " +
    "quien gestiona el servicio puede borrarlos.",
  "list.demo": "Probar con un ejemplo",
  "list.template": "Descargar una plantilla",
  "list.reading": "Leyendo el archivo…",
  "list.busy": "El servicio está ocupado. Intentándolo de nuevo…",
  "list.predicted": "Filas predichas",
  "list.progress": "{count} de {total} filas",
  "list.incomplete":
    "El servicio devolvió solo {count} de {total} filas. Inténtelo de nuevo.",
  "list.cancel": "Cancelar",
  "list.cancelled": "Cancelado. No hay resultados.",
  "list.only": "Solo «{mark}»",
  "list.wide": "Las {count} columnas",
  "list.download": "Descargar esta lista",
  "list.ranked": "Lista por riesgo",
  "list.scale": "La barra más larga es el riesgo más alto de esta lista, {highest}.",
  "list.red": "El rojo empieza en {high}, muy por encima del promedio de {average}.",
  "list.line": "línea {line}",
  "list.rank": "Puesto",
  "list.name": "Nombre",
  "list.risk": "Riesgo",
  "list.why": "Por qué",
  "list.whyOf": "Por qué: {name}",
  "list.shown": "{total} mostradas",
  "list.shownPart": "{shown} de {total} mostradas",
  "list.more": "Mostrar más",

  "summary.none": "{mark}",
  "summary.few": "{mark}; se espera el resultado «{outcome}» en menos de 1 de ellos",
  "summary.some": "{mark}; se espera el resultado «{outcome}» en alrededor de {count} de ellos",
  "summary.total": {
    one: "{count} de {total} filas tiene predicción.",
    other: "{count} de {total} filas tienen predicción.",
  },
  "summary.outside": {
    one: "{count} tiene un valor del que el modelo no aprendió: {names}.",
    other: "{count} tienen un valor del que el modelo no aprendió: {names}.",
  },

  "mend.title": {
    one: "{count} fila no se pudo leer",
    other: "{count} filas no se pudieron leer",
  },
  "mend.place": "{place} ({name})",
  "mend.rest": "{count} más; la descarga las contiene todas",
  "mend.submit": "Predecir las filas corregidas",

  "allowed.title": "Qué puede contener cada columna",
  "allowed.column": "Columna",
  "allowed.meaning": "Significado",
  "allowed.values": "Valores",
  "allowed.whole": "un número entero de {low} a {high}",
  "allowed.number": "un número de {low} a {high}",
  "allowed.date": "una fecha como 2026-01-31 o un número de {low} a {high}",
  "allowed.dates":
    "un número de {low} a {high}; en una lista también las fechas «{start}» y «{end}»",
  "allowed.category": "{choices}",

  "invalid.whole": "{name} debe ser un número entero de {low} a {high}, no «{value}»",
  "invalid.number": "{name} debe ser un número de {low} a {high}, no «{value}»",
  "invalid.date":
    "{name} debe ser una fecha como 2026-01-31 o un número de {low} a {high}, no «{value}»",
  "invalid.dates":
    "{name} necesita dos fechas como 2026-01-31 o un número de {low} a {high}, no «{value}»",
  "invalid.category": "{name} debe ser {choices}, no «{value}»",
  "invalid.missing": "falta {name}",
  "invalid.more": "tampoco son válidos: {names}",
  "invalid.width": "la fila tiene {cells} celdas y el encabezado {columns}",
  "invalid.quote": "unas comillas no se cierran nunca",

  "header.missing": {
    one: "En el archivo falta esta columna: {names}. Su primera línea es: {header}",
    other: "En el archivo faltan estas columnas: {names}. Su primera línea es: {header}",
  },
  "header.twice": "Más de una columna se llama {name}. Quite una de ellas.",

  "file.empty":
    "{name} no tiene filas. La primera línea debe nombrar las columnas; " +
    "cada línea siguiente es una fila.",
  "file.rows":
    "El archivo tiene más de {count} filas. Envíelo a POST /predict/csv, que no tiene límite.",
  "file.large":
    "El archivo es demasiado grande para el navegador. Envíelo como CSV a POST /predict/csv.",
  "file.old":
    "Es un libro de Excel del tipo antiguo (.xls) o con contraseña. Guárdelo como «CSV UTF-8».",
  "file.zip":
    "No es un libro de Excel que esta página pueda leer. Guárdelo como «CSV UTF-8».",

  "panel.title": "{name}: {p}",
  "panel.loading": "Cargando los motivos…",
  "panel.try": "Probar otros valores",
  "panel.close": "Cerrar",

  "sample.name": "{subject} {letter}",

  "model.title": "El modelo en uso",
  "model.none": "Todavía no hay modelo",
  "model.unavailable": "No disponible",
  "model.unregistered": "sin registrar",
  "model.serving": "Versión {version}, desde {since}",
  "model.specialists": "Para especialistas",
  "model.identity": "Procedencia",
  "model.quality": "Calidad",
  "model.measured":
    "Medido con filas que no se usaron para entrenar. La línea es el intervalo del 95 %.",

  "trust.title": "Hasta dónde fiarse",
  "trust.average":
    "En total, el resultado «{outcome}» se da en alrededor de {odds}, con marca o sin ella.",
  "trust.precision":
    "Entre los que llevan la marca «{mark}», el resultado «{outcome}» se da en alrededor " +
    "de {odds}. En los demás marcados no se da.",
  "trust.below":
    "El {share} de los marcados tiene un riesgo menor que la media, porque el umbral está " +
    "por debajo de ella.",
  "trust.recall":
    "De 100 con el resultado «{outcome}», alrededor de {found} llevan la marca " +
    "(intervalo del 95 %: de {low} a {high}).",
  "trust.limits":
    "El modelo solo conoce los valores del formulario. Lo que no conoce puede importar más.",

  "links.card": "Ficha del modelo",
  "links.card.about": "cómo se entrenó, lo bueno que es y para quién es peor",
  "links.data": "Control de los datos",
  "links.data.about": "qué llama la atención en los datos de los que aprendió",
  "links.gates": "Todos los controles",
  "links.gates.about": "cada límite que esta versión cumplió antes de usarse",
  "links.drift": "Control de deriva",
  "links.drift.about": "si los valores recientes aún se parecen a aquellos de los que aprendió",

  "fact.name": "Nombre",
  "fact.version": "Versión",
  "fact.alias": "Alias",
  "fact.family": "Familia",
  "fact.since": "En uso desde",
  "fact.created": "Entrenado",
  "fact.threshold": "Umbral de la marca",
  "fact.run": "Ejecución de MLflow",
  "fact.pipeline": "Ejecución del proceso",
  "fact.bronze": "Datos brutos",
  "fact.silver": "Datos validados",
  "fact.split": "Conjunto «{split}»",
  "fact.code": "Código",
  "fact.image": "Imagen",

  "metric.roc_auc": "ROC AUC",
  "metric.roc_auc.meaning": "Lo bien que ordena: 1 es perfecto, 0,5 es azar",
  "metric.recall": "Sensibilidad (recall)",
  "metric.recall.meaning": "Fracción de las filas positivas que marca",
  "metric.precision": "Precisión",
  "metric.precision.meaning": "Fracción de las filas marcadas que son positivas",
  "metric.specificity": "Especificidad",
  "metric.specificity.meaning": "Fracción de las filas negativas que no marca",
  "metric.balanced_accuracy": "Exactitud equilibrada",
  "metric.balanced_accuracy.meaning": "Media de sensibilidad y especificidad: 0,5 es azar",
  "metric.pr_auc": "PR AUC",
  "metric.pr_auc.meaning": "Precisión media en todos los umbrales: el azar es la tasa positiva",
  "metric.brier": "Puntuación de Brier",
  "metric.brier.meaning": "Error cuadrático medio de sus probabilidades: cuanto menor, mejor",
  "metric.range": "de {low} a {high}",

  "gate.title": "Controles",
  "gate.gate": "Control",
  "gate.value": "Valor",
  "gate.bound": "Límite",
  "gate.verdict": "Veredicto",
  "gate.why": "Por qué",
  "gate.min": "{metric} como mínimo",
  "gate.max": "{metric} como máximo",
  "gate.passed": "superado",
  "gate.failed": "no superado",
  "gate.empty": "nada que juzgar",
};
