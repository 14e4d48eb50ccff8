use super::parse;

/// The TOML blocks of a page, with keys that every machine has.
fn configs(page: &str) -> Vec<String> {
    let blocks = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let keys = ["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "FB_ADMIN_TOKEN"];
    let known = |block: &str| keys.iter().fold(block.to_owned(), |block, key| block.replace(key, "PATH"));
    blocks.map(known).collect()
}

#[test]
fn every_config_in_the_documentation_is_accepted() {
    let pages = [include_str!("../../../../README.md"), include_str!("../../../../docs/guide/config.md")];
    for page in pages {
        let configs = configs(page);
        assert!(!configs.is_empty(), "no config in {page}");
        for config in configs {
            let errors = parse(&config).err().unwrap_or_default();
            assert!(errors.is_empty(), "{errors:?}\n{config}");
        }
    }
}
