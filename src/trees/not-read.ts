/** A model, or a part of one, is not supported here: it stays with ONNX Runtime. Says why. */
export class NotRead extends Error {
  override readonly name = 'NotRead'
}
