/** Bytes as letters, for JSON. */

/** The bytes of a Blob in base64. */
export function toBase64(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}

/** A Blob of what such letters stand for. */
export const fromBase64 = (letters) => new Blob([Uint8Array.from(atob(letters), (letter) => letter.charCodeAt(0))]);
