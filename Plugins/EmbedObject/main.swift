// SPDX-License-Identifier: Apache-2.0
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
                name: "\(arguments[0])", base64: "\(object.base64EncodedString())")
        }

        """
    try Data(source.utf8).write(to: URL(filePath: arguments[1]))
    return 0
}

exit(try run(Array(CommandLine.arguments.dropFirst())))
