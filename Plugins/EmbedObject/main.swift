// SPDX-License-Identifier: Apache-2.0
import CNettle
import Foundation

/// Compiles a BPF source and writes a Swift source that holds the object as text:
/// `EmbedObject NAME SWIFT OBJECT CLANG ARGUMENT...`, where the arguments make clang write OBJECT.
///
/// One step, because SwiftPM would take an object that a build command declares for a resource to be shipped. A base64
/// literal compiles at once, where an array literal of bytes would take minutes.
func run(_ arguments: [String]) throws -> Int32 {
    guard arguments.count > 4 else {
        print("usage: EmbedObject NAME SWIFT OBJECT CLANG ARGUMENT...")
        return 64
    }
    let compiler = Process()
    compiler.executableURL = URL(filePath: arguments[3])
    compiler.arguments = Array(arguments[4...])
    try compiler.run()
    compiler.waitUntilExit()
    guard compiler.terminationStatus == 0 else { return 1 }
    let object = try Data(contentsOf: URL(filePath: arguments[2]))
    let source = """
        import Libbpf

        extension EmbeddedObject {
            static let \(arguments[0]) = EmbeddedObject(
                name: "\(arguments[0])", sha256: "\(sha256(Array(object)))",
                base64: "\(object.base64EncodedString())")
        }

        """
    try Data(source.utf8).write(to: URL(filePath: arguments[1]))
    return 0
}

/// In hexadecimal.
func sha256(_ bytes: [UInt8]) -> String {
    var context = sha256_ctx()
    var digest = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_SIZE))
    unsafe bulkhead_sha256_init(&context)
    unsafe bulkhead_sha256_update(&context, bytes.count, bytes)
    unsafe bulkhead_sha256_digest(&context, &digest)
    return digest.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}

exit(try run(Array(CommandLine.arguments.dropFirst())))
