/** A file that images are made of. */
export interface ProofFile {
  /** The last part of its path. */
  readonly name: string;
  readonly body: Buffer;
}

/** Plan for one key, in the order in which it is done. */
export interface Item {
  readonly key: string;
  /** The files that are uploaded under it, one after the other: the last one counts. */
  readonly uploads: readonly [ProofFile, ...ProofFile[]];
  /** Deletes it afterwards. */
  readonly isDeleted: boolean;
  /** Sends the event of each upload once more, to every worker's queue. */
  readonly isRepeated: boolean;
}

/** Parts of keys that S3 takes, and that an event, a URL or XML writes in another way. */
const ODD = [
  "two  spaces + plus",
  "100%25 %2F",
  "köln ünïcode",
  "猫 🐈",
  "quote ' \" <&>",
  "(a) [b] {c} =;:@,$!*~",
  "folder//empty/part",
  "back\\slash|pipe^",
  `long ${"x".repeat(700)}`,
];

/** File that is no image, and has to be rejected. */
const NO_IMAGE: ProofFile = { name: "notes.txt", body: Buffer.from("These are notes, and no image.") };

/**
 * Plans what is uploaded, the same for the same files: of every hundred keys ten are odd, ten are overwritten, five deleted, two hold no
 * image, and of five the event comes twice.
 * @param prefix begins every key
 */
export function itemsOf(prefix: string, images: number, files: readonly ProofFile[]): Item[] {
  const file = (index: number) => files[index % files.length] ?? NO_IMAGE;
  return Array.from({ length: images }, (_, index) => {
    const isNone = index % 50 === 3;
    const isOverwritten = index % 10 === 1;
    const last = isNone ? NO_IMAGE : file(index);
    const odd = index % 10 === 5 ? ` ${ODD[((index - 5) / 10) % ODD.length]} ` : " ";
    return {
      key: `${prefix}${String(index).padStart(7, "0")}${odd}${last.name}`,
      uploads: isOverwritten ? [file(index + 1), last] : [last],
      isDeleted: index % 20 === 2,
      isRepeated: index % 20 === 4,
    };
  });
}
