import Foundation

/// What the command line asks for.
struct Settings {
    /// The executable that is measured.
    var bulkhead: String
    var short: Bool
    /// The folder of rule sets, where there is one.
    var corpora: String?
    var rounds: Int
    var burstMilliseconds: Double

    /// Tells people what is going on.
    func say(_ words: String) { FileHandle.standardError.write(Data("\(words)\n".utf8)) }
}
