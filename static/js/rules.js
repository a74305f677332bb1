// Completes the last of several addresses: a list of the browser's own proposes for a whole field.

const addresses = /** @type {HTMLInputElement | null} */ (document.getElementById("id_reviewers"));
const proposals = document.getElementById("members");

if (addresses && proposals) {
  const known = [...proposals.querySelectorAll("option")].map((one) => ({ address: one.value, name: one.text }));
  const propose = () => {
    const before = addresses.value.replace(/[^\s,;]*$/, "");
    const given = new Set(before.toLowerCase().split(/[\s,;]+/));
    const left = known.filter((one) => !given.has(one.address.toLowerCase()));
    proposals.replaceChildren(...left.map((one) => new Option(one.name, before + one.address)));
  };
  addresses.addEventListener("input", propose);
  propose();
}
