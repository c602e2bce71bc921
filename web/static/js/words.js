// The sentences of this page, in its language: {named} fields are filled here.
const texts = JSON.parse(document.getElementById("words").textContent);
const locale = document.documentElement.lang;

export function say(key, fields = {}) {
  return (texts[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => fields[name] ?? "");
}

export function length(seconds) {
  const whole = Math.round(seconds);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  if (h) return say("hours", { h, m });
  return m ? say("minutes", { m, s }) : say("seconds", { s });
}

export { locale };
