// The sentences of this page, in its language: {named} fields are filled here.
const texts = JSON.parse(document.getElementById("words").textContent);
const locale = document.documentElement.lang;

export function say(key, fields = {}) {
  return (texts[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => fields[name] ?? "");
}

// As `say`, in the plural form of the language: `key` with "_1" where it has a form for one.
export function counted(key, n, fields = {}) {
  const one = new Intl.PluralRules(locale).select(n) === "one" && `${key}_1` in texts;
  return say(one ? `${key}_1` : key, { n: n.toLocaleString(locale), ...fields });
}

export function length(seconds) {
  const whole = Math.round(seconds);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  if (h) return say("hours", { h, m });
  return m ? say("minutes", { m, s }) : say("seconds", { s });
}

export { locale };
