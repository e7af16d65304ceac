// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import Foundation
import Host
import Libbpf
import TestSupport
import Testing

@testable import Datapath

/// Ownership of the instance's folder. Its owner can remove our links, so nothing is done in a folder that is not ours.
@Suite struct FolderTests {
    /// What is in the place of the instance's folder, and the words that refuse it.
    enum Stranger: String, CaseIterable {
        case userFolder = "belongs to user 65534"
        case openFolder = "can be entered by others"
        case toolFolder = "is not Bulkhead's"
        case falseMark = "is not Bulkhead's: it lacks the mark"
        case symbolicLink = "such as a symbolic link"
        case pin = "is not a folder"

        /// Creates it with contents; returns all paths that must still exist at the end.
        func make(at path: String) throws -> [String] {
            switch self {
            case .symbolicLink:
                let inside = try Self.folder("\(path)-target")
                try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: "\(path)-target")
                return inside + [path]
            case .pin:
                try Self.pin(at: path)
                return [path]
            default:
                let inside = try Self.folder(path)
                if self == .falseMark {
                    try Self.pin(at: "\(path)/\(InstanceMark.name)")
                    return inside + ["\(path)/\(InstanceMark.name)"]
                }
                try Shell.check("chmod", self == .openFolder ? "0755" : "0700", path)
                if self == .userFolder { try Shell.check("chown", "-R", "65534", path) }
                return inside
            }
        }

        private static func folder(_ path: String) throws -> [String] {
            let folders = [path, "\(path)/maps", "\(path)/links"]
            for folder in folders { try Shell.check("mkdir", "-m", "0700", folder) }
            try pin(at: "\(path)/maps/slots")
            return folders + ["\(path)/maps/slots"]
        }

        static func pin(at path: String) throws {
            let parts = path.split(separator: "/").map(String.init)
            let map = try Map(type: BPF_MAP_TYPE_ARRAY, name: "strange", valueSize: 8, maxEntries: 1)
            try map.pin(at: Pin(parts[parts.count - 1], in: .init(path: "/" + parts.dropLast().joined(separator: "/"))))
        }
    }

    private static func clean(_ lab: Lab, _ path: String) {
        lab.atEnd { _ = try? Shell.run(["sh", "-c", "rm -rf \(path) \(path)-*"]) }
    }

    private static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

    /// Everything that is or was there: nothing may be missing, and nothing may be new.
    private static func listing(_ path: String) throws -> String {
        try Shell.check("sh", "-c", "find \(path)* -printf '%p %y %m %U %i\\n' | sort")
    }

    @Test(arguments: Stranger.allCases) func whatIsNotOursIsRefusedAndLeft(stranger: Stranger) throws {
        let lab = try GuestLab()
        let path = "\(BPFFileSystem.root)/\(lab.instance.name)"
        Self.clean(lab.lab, path)
        let there = try stranger.make(at: path)
        let before = try Self.listing(path)
        let instance = lab.instance
        let attempts: [(String, () throws -> Void)] = [
            ("apply", { _ = try lab.policy.apply(instance) }),
            ("status", { _ = try instance.status() }),
            ("counters", { _ = try instance.counters() }),
            ("flows", { _ = try instance.flows() }),
            ("events", { _ = try instance.events() }),
            ("show", { _ = try instance.policyInForce() }),
            ("groups", { _ = try instance.groups() }),
            ("quarantine", { _ = try instance.quarantine("guest") }),
            ("release", { _ = try instance.release("guest") }),
            ("detach", { _ = try instance.detach(ports: ["guest"]) }),
            ("detach --all", { _ = try instance.detachAll() }),
        ]
        for (name, attempt) in attempts {
            let refusal = #expect(throws: DatapathError.self, "\(name)") { try attempt() }
            #expect(refusal?.message.contains(stranger.rawValue) == true, "\(name): \(refusal?.message ?? "")")
            #expect(refusal?.message.contains(path) == true, "\(name)")
            #expect(refusal?.advice != nil, "\(name)")
        }
        #expect(try Self.listing(path) == before)
        #expect(there.allSatisfy(Self.exists))
        #expect(try lab.ping(), "nothing is attached")
    }

    /// What replaces the folder after detach has opened and locked it.
    enum Swap: CaseIterable { case symbolicLink, folder, nothing }

    @Test(arguments: Swap.allCases) func aSwapBetweenTheStepsLeadsNowhere(swap: Swap) throws {
        let lab = try GuestLab()
        let path = "\(BPFFileSystem.root)/\(lab.instance.name)"
        Self.clean(lab.lab, path)
        try lab.policy.apply(lab.instance)
        // Another instance, marked and in force, is the most valuable target.
        let victim = try Instance("\(lab.instance.name)-victim")
        lab.lab.atEnd { _ = try? victim.detachAll() }
        try lab.policy.apply(victim)
        let victims = try Self.listing("\(path)-victim")

        let lock = try lab.instance.lock(make: false)
        try Shell.check("mv", path, "\(path)-moved")
        switch swap {
        case .symbolicLink:
            try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: "\(path)-victim")
        case .folder: try Shell.check("mkdir", "-m", "0700", path)
        case .nothing: break
        }
        #expect(try lock.instance.detachLocked().ports == ["guest"])
        #expect(try lock.instance.removeFolders(from: lab.instance.folder) == nil)
        _ = consume lock

        #expect(try Self.listing("\(path)-victim") == victims)
        #expect(try victim.status().ports.map(\.state) == [.enforcing])
        #expect(lab.instance.folder.path == path)
        #expect(Self.exists(path) == (swap != .nothing), "what has taken its place stays")
        // Our folder is empty, wherever it was moved.
        #expect(try Shell.check("find", "\(path)-moved", "-mindepth", "1") == "")
    }

    /// The swap comes before the lock: nothing of ours has that name any more.
    @Test func whatWasSwappedBeforeTheLockIsRefused() throws {
        let lab = try GuestLab()
        let path = "\(BPFFileSystem.root)/\(lab.instance.name)"
        Self.clean(lab.lab, path)
        try lab.policy.apply(lab.instance)
        let open = try #require(try lab.instance.folder.open())
        try Shell.check("mv", path, "\(path)-moved")
        #expect(try lab.instance.folder.lock(open) == nil)
        try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: "\(path)-moved")
        #expect(throws: DatapathError.self) { try lab.instance.detachAll() }
        #expect(try !lab.ping(), "the policy holds")
        try Shell.check("rm", path)
        try Shell.check("mv", "\(path)-moved", path)
        _ = try lab.instance.detachAll()
        #expect(try lab.ping())
    }

    /// A link or folder of another tool in our folder must not be removed.
    @Test func whatOthersPutIntoOursStays() throws {
        let lab = try GuestLab()
        let path = "\(BPFFileSystem.root)/\(lab.instance.name)"
        Self.clean(lab.lab, path)
        try lab.policy.apply(lab.instance)
        try Stranger.pin(at: "\(path)/strange")
        try Shell.check("mkdir", "\(path)/other")
        let report = try lab.instance.detachAll()
        #expect(report.warnings.contains { $0.contains("other, strange") }, "\(report.warnings)")
        #expect(try lab.ping())
        #expect(Self.exists("\(path)/strange") && Self.exists("\(path)/other"))
        // The mark stays with them, so that the folder can be used again.
        #expect(try lab.policy.apply(lab.instance).generation == 1)
        try Shell.check("rm", "-r", "\(path)/strange", "\(path)/other")
        #expect(try lab.instance.detachAll().warnings == [])
        #expect(!Self.exists(path))
    }

    /// An apply that was killed before it marked its folder.
    @Test func anEmptyFolderOfOursIsTakenOver() throws {
        let lab = try GuestLab()
        let path = "\(BPFFileSystem.root)/\(lab.instance.name)"
        try Shell.check("mkdir", "-m", "0700", path)
        let refusal = #expect(throws: DatapathError.self) { try lab.instance.status() }
        #expect(refusal?.message.contains("no policy is in force") == true)
        try lab.policy.apply(lab.instance)
        #expect(try !lab.ping())
        _ = try lab.instance.detachAll()
        try Shell.check("mkdir", "-m", "0700", path)
        _ = try lab.instance.detachAll()
        #expect(!Self.exists(path))
    }

    @Test(
        arguments: [
            (owner: UInt32(0), mode: UInt32(0o700), refusal: nil),
            (0, 0o755, nil), (0, 0o1777, nil), (0, 0o1770, nil),
            (0, 0o777, "chmod 0700"), (0, 0o770, "chmod 0700"), (0, 0o2775, "chmod 0700"),
            (65534, 0o700, "chown root"), (65534, 0o1777, "chown root"),
        ] as [(owner: UInt32, mode: UInt32, refusal: String?)])
    func whoHasASayInTheFileSystem(owner: UInt32, mode: UInt32, refusal: String?) {
        let fault = FolderCheck.rootFault(.init(inode: 1, owner: owner, mode: mode, isBPF: true))
        #expect((fault == nil) == (refusal == nil))
        if let refusal { #expect(fault?.advice?.contains(refusal) == true, "\(fault?.advice ?? "")") }
    }

    /// No name leads out of the folder of namespaces.
    @Test(arguments: ["../../x", "..", ".", "a/b", "/proc/1/ns/net", "", "../\u{301}x", "a\0b", "a\nb", "\u{1b}"])
    func aNamespaceIsNamedByOneName(name: String) {
        #expect(NetworkNamespace.inode(name) == nil)
        let refusal = #expect(throws: DatapathError.self) {
            try NetworkNamespace.with(name) { () throws(DatapathError) in Issue.record("entered '\(name)'") }
        }
        #expect(refusal?.message.contains("is no name of a network namespace") == true)
    }

    /// Only root can open the lock files.
    @Test func nobodyElseCanHoldTheLocks() throws {
        let lab = try GuestLab()
        try lab.policy.apply(lab.instance)
        for folder in ["", "/maps", "/readers", "/links"] {
            let path = "\(BPFFileSystem.root)/\(lab.instance.name)\(folder)"
            let result = try Shell.run([
                "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "flock", "-n", path, "true",
            ])
            #expect(result.status != 0, "\(path)")
        }
        #expect(try !lab.policy.apply(lab.instance).changed)
    }
}
